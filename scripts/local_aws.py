#!/usr/bin/env python3
"""An AWS on this machine: moto, with Step Functions that really run and a real program as the Lambda function.

    pip install -r scripts/local/requirements.txt
    scripts/local_aws.py [--port 5000] [--functions http://127.0.0.1:9000]

`--functions` is the address that runs the functions (scripts/local/functions.py). moto would start them in Docker; here every
invocation (S3 notification, `aws lambda invoke`, a task of a state machine) is forwarded to that address instead.

Unlike on AWS, schedules do not fire, EventBridge rules do not reach a function, and asynchronous invocations happen once and
at once, without retries or on-failure destination.
"""

import argparse
import json
import os
import urllib.error
import urllib.parse
import urllib.request

# An answer may be this late before the call counts as timed out: a new worker takes a moment to start.
GRACE_SECONDS = 30

# Direct, whatever proxy the shell uses.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def timed_out(seconds):
    """Lambda's answer for a function that is still busy, or has died, at its time limit."""
    return json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": f"Task timed out after {seconds} seconds"})


def call(functions, function, event):
    """Invokes a function and waits. Returns the answer's text, and whether it is an error."""
    seconds = int(function.timeout)
    environment = dict(function.environment_vars)
    settings = {"timeout": seconds, "memory": function.memory_size, "environment": environment}
    body = event if isinstance(event, (str, bytes)) else json.dumps(event or {})
    request = urllib.request.Request(
        f"{functions}/2015-03-31/functions/{function.function_name}/invocations",
        data=body.encode() if isinstance(body, str) else body,
        headers={"content-type": "application/json", "x-function-settings": json.dumps(settings)},
    )
    try:
        with DIRECT.open(request, timeout=seconds + GRACE_SECONDS) as answer:
            return answer.read().decode(), "x-amz-function-error" in answer.headers
    except urllib.error.HTTPError as refusal:
        text = refusal.read().decode()
        try:
            json.loads(text)
            return text, True
        except ValueError:
            return json.dumps({"errorType": "Lambda.ServiceException", "errorMessage": text}), True
    except TimeoutError:
        return timed_out(seconds), True
    except (urllib.error.URLError, ConnectionError) as failure:
        if isinstance(getattr(failure, "reason", None), TimeoutError):
            return timed_out(seconds), True
        return json.dumps({"errorType": "Lambda.ServiceException", "errorMessage": str(failure)}), True


def with_keys_encoded(request, answer):
    """Encodes the keys in lists of versions, for callers that ask for it and decode them."""
    if request.data.get("Action") == "ListObjectVersions" and request.querystring.get("encoding-type") == ["url"]:
        for one in [*answer.result["Versions"], *answer.result["DeleteMarkers"]]:
            one["Key"] = urllib.parse.quote(one["Key"])
        answer.result["EncodingType"] = "url"
    return answer


def adapt_moto(functions):
    """Patches moto; tried with 5.2.5."""
    from moto.awslambda.models import LambdaFunction
    from moto.core.config import default_user_config
    from moto.core.responses import ActionResult
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket, FakeDeleteMarker
    from moto.s3.responses import S3Response
    from moto.stepfunctions.responses import StepFunctionResponse

    # Run state machines; by default moto only stores them.
    default_user_config["stepfunctions"]["execute_state_machine"] = True

    # Functions run elsewhere. moto expects the answer, whether it is an error, and logs.
    LambdaFunction._invoke_lambda = lambda self, event=None: (*call(functions, self, event), "")

    # moto ignores conditions in bucket policies, so "deny without TLS" would deny everything.
    FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL

    # Without these, a bucket with delete markers, or with a + in a key, could not be emptied.
    FakeDeleteMarker.dispose = lambda self: None
    serialized = S3Response.serialized
    S3Response.serialized = lambda self, answer: serialized(self, with_keys_encoded(self, answer))

    # Terraform's provider makes two calls that moto does not support; it would retry them for minutes.
    valid = {"result": "OK", "diagnostics": [], "truncated": False}
    StepFunctionResponse.validate_state_machine_definition = lambda self: ActionResult(valid)
    StepFunctionResponse.list_state_machine_versions = lambda self: ActionResult({"stateMachineVersions": []})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", default="5000")
    parser.add_argument("--functions", default="http://127.0.0.1:9000", metavar="URL")
    arguments = parser.parse_args()

    os.environ["MOTO_PORT"] = arguments.port  # moto's services find each other by it
    adapt_moto(arguments.functions.rstrip("/"))

    from moto.server import main as serve

    serve(["--host", "127.0.0.1", "--port", arguments.port])


if __name__ == "__main__":
    main()
