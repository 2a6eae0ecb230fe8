"""Shared by the tests of the deployment: connections, exports, segments, and looking at runs."""

import contextlib
import csv
import functools
import io
import json
import shutil
import urllib.request
import zlib

import boto3
from gate import Gate
from world import DIRECT, REGION, ROOT, World, wait_for

KEY = "k3y-of-the-tests-and-of-nothing-else"
WRONG_KEY = "wr0ng-k3y-of-the-tests"
# In every email of the segments and nowhere else.
DOMAIN = "people.invalid"
# Short, so that a slow Autopilot takes several calls.
TIME_LIMIT_SECONDS = 20

# Connection -> requests a second, options of its sandbox, its exports.
CONNECTIONS = {
    "plain": (40, ["--bulk-lists", "always"], ["plain"]),
    "people": (40, ["--bulk-lists", "always"], ["people"]),
    "shared": (20, ["--latency-ms", "100"], ["first", "second"]),
    "mortal": (20, ["--latency-ms", "100"], ["mortal"]),
    "stopped": (20, ["--latency-ms", "100"], ["stopped"]),
    "quick": (100, [], ["quick"]),
    "slow": (4, ["--latency-ms", "300"], ["slow"]),
    "faulty": (100, [], ["faulty"]),
    "late": (100, [], ["late"]),
    "refused": (20, ["--key", KEY], ["refused"]),
    "damaged": (20, ["--latency-ms", "100"], ["damaged"]),
    "ortto": (20, ["--api", "ortto", "--rate", "20", "--key", KEY], ["ortto"]),
}
# Its connection names a region; the deployment's override, and that of `connect`, lead to the sandbox.
ORTTO = "ortto"


def title(export):
    return f"List of {export}"


def config(urls):
    connections, exports = {}, {}
    for name in urls:
        rate, _, of_it = CONNECTIONS[name]
        connections[name] = {
            "display_name": name,
            "secret": f"autopilot-export/{name}",
            **({"api": ORTTO, "region": "eu"} if name == ORTTO else {"base_url": urls[name]}),
            "requests_per_second": rate,
            "lanes": 2,
            "consent": {"agreed_by": "nobody, this data is invented", "agreed_on": "2026-11-23"},
        }
        for export in of_it:
            exports[export] = {
                "connection": name,
                "segments": [{"name": export, "prefix": f"segments/{export}/", "membership": {"tag" if name == ORTTO else "list": title(export)}}],
                "match": {"email": "EMail", "first_name": "FirstName"},
                "schedule": "cron(0 6 * * ? *)",
                "reconcile_schedule": "cron(0 22 ? * SUN *)",
                **({"notify": {"webhook": {"kind": "json"}}} if export == "refused" else {}),
            }
    return {"connections": connections, "exports": exports}


def emails(export, count):
    return [f"{export}.{number}@{DOMAIN}" for number in range(count)]


class Scene(World):
    """The local AWS with some of these connections deployed, each to an account of its own."""

    def deploy(self, names, **variables):
        self.urls = {}
        self.configure(names)
        overrides = {"ortto_base_url_override": self.urls[ORTTO]} if ORTTO in names else {}
        self.apply(self.config, timeout_seconds=TIME_LIMIT_SECONDS, **overrides, **variables)
        # The function has its role's policy, and no more.
        role = self.client("iam").get_role_policy(RoleName=f"autopilot-export-{REGION}-function", PolicyName="steps")
        self.function_gate = self.gate(role["PolicyDocument"])
        self.function_gate.__enter__()
        self.functions.environment = self.functions.environment | {"AWS_ENDPOINT_URL": self.function_gate.url}
        for name in names:
            self.connect(name, KEY, ORTTO_BASE_URL=self.urls.get(ORTTO, ""))

    def configure(self, names):
        """Writes a configuration with these connections as well."""
        self.urls |= {name: self.sandbox(name, "--account", name, *CONNECTIONS[name][1]) for name in names}
        self.config = self.folder / "exports.json"
        self.config.write_text(json.dumps(config(self.urls), indent=2))

    def drop(self, export, rows, key="members.csv"):
        """Uploads a segment of these emails with the `aws` command line, as a person would."""
        text = io.StringIO()
        csv.writer(text).writerows([["EMail", "FirstName"], *([email, "Zoë"] for email in rows)])
        path = self.folder / "drop.csv"
        path.write_text(text.getvalue())
        before = {run["name"] for run in self.executions(export)}
        self.aws("s3", "cp", "--no-progress", path, f"s3://{self.outputs['bucket']}/segments/{export}/{key}")
        return self.new_run(export, before)

    def new_run(self, export, before):
        new = wait_for("a new run", 60, lambda: [one["name"] for one in self.executions(export) if one["name"] not in before])
        assert len(new) == 1, new
        return new[0]

    @functools.cache
    def client(self, service, endpoint=None):
        """For frequent calls: the `aws` command line is slow."""
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        return boto3.client(service, endpoint_url=endpoint or self.endpoint, region_name=REGION, **keys)

    def gate(self, *policies):
        """A way to the local AWS for who has only these policies: ARNs, or documents."""
        iam, documents = self.client("iam"), []
        for policy in policies:
            if isinstance(policy, str):
                version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
                policy = iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
            documents.append(policy)
        secrets = self.client("secretsmanager").list_secrets(MaxResults=100)["SecretList"]
        return Gate(self.endpoint, documents, secrets[0]["KmsKeyId"], {one["Name"]: one["ARN"] for one in secrets})

    def script(self, *command, endpoint=None, **more):
        """Runs a script of the deployment, with an `aws` that names the endpoint: not every version honours the variable everywhere."""
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        wrapper = tools / "aws"
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("aws", path=self.shell()["PATH"])} --endpoint-url {endpoint or self.endpoint} "$@"\n')
        wrapper.chmod(0o755)
        return self.run(command, PATH=f"{tools}:{self.shell()['PATH']}", **more)

    def make(self, target):
        """Runs `make plan`, `deploy` or `destroy` on this deployment, without building anything. What `make` asks for is approved."""
        shutil.copy(ROOT / "Makefile", self.folder)
        scripts = self.folder / "scripts"
        if not scripts.exists():
            scripts.symlink_to(ROOT / "scripts")
        options = " ".join(one for one in self.options if "timeout_seconds" in one)
        settings = [f"CONFIG={self.config}", "ZIP=function.zip", "ARCH=x86_64", f"OPTIONS={options}"]
        # A deployment's own settings must not lead to its state.
        more = {"TF_DATA_DIR": "", "TF_WORKSPACE": "", "TF_CLI_ARGS": "", "MAKEFLAGS": ""}
        more |= {f"TF_CLI_ARGS_{command}": "-auto-approve -no-color" for command in ("apply", "destroy")}
        return self.script("make", "-C", self.folder, "-o", "check-config", target, *settings, **more)

    @contextlib.contextmanager
    def listening(self):
        """Collects the topic's messages from now on: the notifications."""
        sqs, sns = self.client("sqs"), self.client("sns")
        queue = sqs.create_queue(QueueName="listening")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = sns.subscribe(TopicArn=self.outputs["topic_arn"], Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)

        def messages():
            received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
            return [json.loads(message["Body"]) for message in received]

        try:
            yield messages
        finally:
            sns.unsubscribe(SubscriptionArn=topic["SubscriptionArn"])
            sqs.delete_queue(QueueUrl=queue)

    def executions(self, export=""):
        found = self.client("stepfunctions").list_executions(stateMachineArn=self.outputs["workflow_arn"])
        return [one for one in found["executions"] if not export or f"-{export}-" in one["name"]]

    def arn(self, run):
        return self.outputs["workflow_arn"].replace(":stateMachine:", ":execution:") + f":{run}"

    def ended(self, run, within=300):
        """Waits for a run's execution to end; returns its description."""

        def look():
            described = self.client("stepfunctions").describe_execution(executionArn=self.arn(run))
            return described if described["status"] != "RUNNING" else None

        return wait_for(f"the end of {run}", within, look, every=0.5)

    def report(self, run):
        shown = self.cli("--json", "report", run)
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)

    def invoke(self, event):
        """Runs `aws lambda invoke`; returns the function's answer."""
        answer, payload = self.folder / "answer.json", self.folder / "event.json"
        payload.write_text(event if isinstance(event, str) else json.dumps(event))
        # From a file, which both versions of the command line read unchanged.
        self.aws("lambda", "invoke", "--function-name", self.outputs["live"], "--payload", f"fileb://{payload}", answer)
        return json.loads(answer.read_text())

    def at(self, connection, what):
        with DIRECT.open(f"{self.urls[connection].removesuffix('/v1')}/_sandbox/{what}") as answer:
            return json.load(answer)

    def members(self, connection, export):
        """Emails of the contacts on an export's list, once per contact."""
        held = self.at(connection, "contents")
        lists = {one["id"] for one in held["lists"] if one["title"] == title(export)}
        return sorted(one["email"] for one in held["contacts"] if lists & set(one["lists"]))

    def delete(self, connection, email):
        """Deletes a contact of a classic account, as somebody may there."""
        contact = next(one for one in self.at(connection, "contents")["contacts"] if one["email"] == email)
        request = urllib.request.Request(f"{self.urls[connection]}/contact/{contact['id']}", method="DELETE", headers={"autopilotapikey": KEY})
        with DIRECT.open(request) as answer:
            assert answer.status < 300

    def calls(self, run, step):
        """The function's calls for a step of a run: event, answer, whether the answer is an error."""
        of_run = lambda event: run in (event.get("run_id"), event.get("run", {}).get("run_id"))
        return [call for call in self.functions.calls if call[0].get("step") == step and of_run(call[0])]

    def delivering(self, run, connection, rows):
        """Waits until a run has sent this many rows; returns the workers of its lanes."""
        wait_for("rows", 120, lambda: len(self.at(connection, "contents")["contacts"]) >= rows, every=0.1)
        workers = [worker for worker, event in self.functions.busy("deliver") if event["run_id"] == run]
        assert workers, "the run is delivering"
        return workers

    def objects(self, prefix=""):
        """All objects under a prefix: key -> content."""
        client, bucket = self.client("s3"), self.outputs["bucket"]
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def tells_nothing(self):
        """Nothing that is logged, or kept but as a drop or a reject, names a person or a key."""
        texts = {"the function's log": self.function_log.read_bytes()}
        texts["steps"] = json.dumps(self.functions.calls).encode()
        executions, states = self.executions(), self.client("stepfunctions")
        assert len(executions) >= 5
        for one in executions:
            arn = one["executionArn"]
            for result in (states.get_execution_history(executionArn=arn), states.describe_execution(executionArn=arn)):
                texts[f"{one['name']}: {list(result)}"] = json.dumps(result, default=str).encode()
        objects = self.objects()
        texts |= {key: body for key, body in objects.items() if key.startswith(("state/", "leases/"))}
        texts |= {key: body for key, body in objects.items() if key.endswith(("run.json", "report.json", "report.html", "open.json", "history.gz"))}
        assert [key for key in texts if key.startswith("state/")], "there is state"
        for what, body in texts.items():
            for seen in (body, unpacked(body)):
                for secret in (DOMAIN, KEY, WRONG_KEY, "Zoë"):
                    assert secret.encode() not in seen, f"{what} holds {secret!r}"


def unpacked(body):
    """The content of all gzip members."""
    whole = b""
    while body[:2] == b"\x1f\x8b":
        one = zlib.decompressobj(31)
        whole += one.decompress(body)
        body = one.unused_data
    return whole
