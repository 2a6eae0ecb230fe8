#!/usr/bin/env python3
"""An AWS on this machine: moto, whose Step Functions really run and whose Lambda function is a real program.

    pip install -r scripts/local/requirements.txt
    scripts/local_aws.py [--port 5000] [--functions http://127.0.0.1:9000]

`--functions` is where the functions are run (scripts/local/functions.py). moto itself would start functions in Docker; here
every invocation (S3 notification, `aws lambda invoke`, a task of a state machine) is passed on there instead.

What the real one does and this does not: schedules do not fire, EventBridge rules do not reach a function, asynchronous
invocations are made once and at once, without retries or on-failure destination.
"""

import argparse
import json
import os
import urllib.error
import urllib.parse
import urllib.request

# An answer may be late by this much before the call counts as timed out: a new worker takes a moment to start.
GRACE_SECONDS = 30

# Straight to it, whatever proxy the shell has.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def timed_out(seconds):
    """What Lambda answers for a function that was still busy, or had died, at its time limit."""
    return json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": f"Task timed out after {seconds} seconds"})


def call(functions, function, event):
    """Invokes a function and waits. Gives the answer's text, and whether it is an error."""
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


def with_keys_encoded(asked, answer):
    """Lists of versions with their keys encoded, for callers that ask for that and decode them."""
    if asked.data.get("Action") == "ListObjectVersions" and asked.querystring.get("encoding-type") == ["url"]:
        for one in [*answer.result["Versions"], *answer.result["DeleteMarkers"]]:
            one["Key"] = urllib.parse.quote(one["Key"])
        answer.result["EncodingType"] = "url"
    return answer


def adapt_moto(functions):
    """The places where moto is made to fit; tried with 5.2.5."""
    from moto.awslambda.models import LambdaFunction
    from moto.core.config import default_user_config
    from moto.core.responses import ActionResult
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket, FakeDeleteMarker
    from moto.s3.responses import S3Response
    from moto.stepfunctions.responses import StepFunctionResponse

    # State machines run; otherwise moto only keeps them.
    default_user_config["stepfunctions"]["execute_state_machine"] = True

    # Functions run elsewhere. moto expects: answer, was it an error, logs.
    LambdaFunction._invoke_lambda = lambda self, event=None: (*call(functions, self, event), "")

    # moto's bucket policies know no conditions, so that "not without TLS" would mean "not at all".
    FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL

    # A bucket with delete markers, or with a + in a key, could not be emptied.
    FakeDeleteMarker.dispose = lambda self: None
    serialized = S3Response.serialized
    S3Response.serialized = lambda self, answer: serialized(self, with_keys_encoded(self, answer))

    # Two calls that Terraform's provider makes and moto does not know; unanswered, it tries again for minutes.
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
