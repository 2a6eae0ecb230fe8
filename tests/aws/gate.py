"""IAM in front of the local AWS: a proxy that lets through what policies allow. moto's own check knows neither the resources of
most services nor conditions, and does not ask for the KMS key that S3 and Secrets Manager use on a caller's behalf."""

import json
import re
import urllib.parse

from proxy import Call, Proxy, error_of_s3
from world import ACCOUNT, REGION

# By the name that a call's target begins with: the service's prefix in policies.
TARGETS = {"secretsmanager": "secretsmanager", "AWSStepFunctions": "states", "AmazonSQS": "sqs"}


def of(value):
    return value if isinstance(value, list) else [value]


def matches(pattern, text):
    """Whether an IAM pattern, with * and ?, matches."""
    return re.fullmatch("".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern), text, re.DOTALL) is not None


def holds(conditions, context):
    """Whether a statement's conditions hold."""
    for operator, keys in (conditions or {}).items():
        for key, wanted in keys.items():
            value = context.get(key)
            if value is None:
                if operator.endswith("IfExists"):
                    continue
                return False
            compare = {"StringEquals": str.__eq__, "StringLike": matches}[operator.removesuffix("IfExists")]
            if not any(compare(one, value) for one in of(wanted)):
                return False
    return True


class Gate(Proxy):
    """Lets through what these policy documents allow; `refused` holds what was asked for besides. `data_key` is the ARN of the key
    that encrypts everything, `secrets` are names with the secrets' ARNs."""

    def __init__(self, behind, documents, data_key, secrets):
        super().__init__(behind, GatedCall)
        self.statements = [statement for document in documents for statement in of(document["Statement"])]
        self.data_key, self.secrets = data_key, secrets
        self.refused = []

    def allows(self, action, resource, context=None):
        effects = {
            statement["Effect"]
            for statement in self.statements
            if any(matches(one.lower(), action.lower()) for one in of(statement["Action"]))
            and any(matches(one, resource) for one in of(statement["Resource"]))
            and holds(statement.get("Condition"), context or {})
        }
        if effects == {"Allow"}:
            return True
        with self.lock:
            self.refused.append((action, resource))
        return False

    def allows_key(self, action, service):
        return self.allows(f"kms:{action}", self.data_key, {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"})

    def arn(self, service, rest):
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


class GatedCall(Call):
    def answer(self, body):
        target = self.headers.get("x-amz-target")
        if target:
            service, action = TARGETS[target.split(".")[0].split("_")[0]], target.split(".")[1]
            is_allowed = self.of_target(service, action, json.loads(body))
        elif self.path.startswith("/2015-03-31/functions/"):
            name = urllib.parse.unquote(self.path.split("/")[3]).split(":function:")[-1]
            is_allowed = self.server.allows("lambda:InvokeFunction", self.server.arn("lambda", f"function:{name}"))
        else:
            return self.of_s3(body)
        if not is_allowed:
            refusal = {"__type": "AccessDeniedException", "message": "not authorized"}
            return self.reply(400, [("content-type", "application/json")], json.dumps(refusal).encode())
        return self.reply(*self.forward(body))

    def of_target(self, service, action, call):
        gate = self.server
        if service == "secretsmanager":
            # An ARN ends with six characters that nobody knows beforehand; policies name them whole.
            resource = gate.secrets[call["SecretId"]]
            key = "Decrypt" if action == "GetSecretValue" else "GenerateDataKey" if action == "PutSecretValue" else None
            return gate.allows(f"{service}:{action}", resource) and (key is None or gate.allows_key(key, service))
        if service == "sqs":
            return gate.allows(f"{service}:{action}", gate.arn("sqs", call["QueueUrl"].rsplit("/", 1)[-1]))
        named = call.get("executionArn") or call.get("stateMachineArn") or call.get("mapRunArn")
        return gate.allows(f"{service}:{action}", named)

    def of_s3(self, body):
        path, _, query = self.path.partition("?")
        bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        whole, gate = f"arn:aws:s3:::{bucket}", self.server
        resource, context = f"{whole}/{key}" if key else whole, {}
        if not key:
            action = "s3:ListBucketVersions" if "versions" in query else "s3:ListBucket"
            context = {"s3:prefix": query["prefix"]} if "prefix" in query else {}
        elif self.command in ("GET", "HEAD"):
            action = "s3:GetObjectVersion" if "versionId" in query else "s3:GetObject"
        elif self.command == "DELETE":
            version = "Version" if "versionId" in query else ""
            action = "s3:AbortMultipartUpload" if "uploadId" in query else f"s3:DeleteObject{version}"
        else:
            action = "s3:PutObject"
        is_allowed = gate.allows(action, resource, context)
        if is_allowed and action == "s3:PutObject":
            is_allowed = gate.allows_key("GenerateDataKey", "s3")
            if is_allowed and "x-amz-tagging" in self.headers:
                is_allowed = gate.allows("s3:PutObjectTagging", resource)
        if not is_allowed:
            return self.refuse()
        status, headers, answer = self.forward(body)
        if action.startswith("s3:GetObject"):
            # Who may not list does not learn that an object is missing.
            if status == 404 and not gate.allows("s3:ListBucket", whole):
                return self.refuse()
            if status < 300 and not gate.allows_key("Decrypt", "s3"):
                return self.refuse()
        return self.reply(status, headers, answer)

    def refuse(self):
        return self.reply(403, [("content-type", "application/xml")], error_of_s3("AccessDenied", "Access Denied"))
