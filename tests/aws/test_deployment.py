"""The deployment in use, on the local AWS: infra/ applied unchanged, the function's program, sandboxes as Autopilots.

Tests run in this order; the last ones look at what all of them have left behind, and destroy it.
"""

import io
import json
import os
import shlex
import time
import zipfile

import pytest
from metric_math import is_in_alarm
from proxy import Webhook
from scene import WRONG_KEY, emails
from world import ROOT, wait_for


CONNECTIONS = ["plain", "refused"]


def ends_with_nothing_but_its_rejects(aws, run):
    """The run found every good row unchanged, and the bad rows still bad."""
    assert json.loads(aws.ended(run)["output"])["outcome"] == "succeeded_with_rejects"
    report = aws.report(run)
    assert (report["rows"]["unchanged"], report["rows"]["rejected"], report["requests"]["total"]) == (250, 3, 0)


def test_a_dropped_file_is_exported(aws):
    good = emails("plain", 250)
    run = aws.drop("plain", [*good, "no address", "", good[0]], key="News letter (Zürich) 1+1.csv")
    assert aws.ended(run)["status"] == "SUCCEEDED"
    assert aws.members("plain", "plain") == sorted(good), "each good row once"
    rows = aws.report(run)["rows"]
    assert (rows["read"], rows["delivered"], rows["pending"]) == (253, 250, 0)


def test_what_holds_personal_data_is_tagged_to_expire_early(aws):
    run, tags = aws.executions("plain")[0]["name"], {}
    for name in ("rejects.csv", "report.json", "run.json"):
        found = aws.client("s3").get_object_tagging(Bucket=aws.outputs["bucket"], Key=f"runs/plain/{run}/{name}")
        tags[name] = [(tag["Key"], tag["Value"]) for tag in found["TagSet"]]
    assert tags == {"rejects.csv": [("content", "personal")], "report.json": [], "run.json": []}
    # What is gone with the run's end stays as an old version, until its tag's rule.
    held = aws.client("s3").list_object_versions(Bucket=aws.outputs["bucket"], Prefix=f"runs/plain/{run}/")["Versions"]
    for kind in ("chunks", "results", "rejects"):
        gone = next(one for one in held if f"/{kind}/" in one["Key"])
        found = aws.client("s3").get_object_tagging(Bucket=aws.outputs["bucket"], Key=gone["Key"], VersionId=gone["VersionId"])
        assert found["TagSet"] == [{"Key": "content", "Value": "personal"}], gone["Key"]


def test_the_same_event_again_starts_nothing(aws):
    before = aws.executions("plain")
    event = next(event for event, _, _ in aws.functions.calls if "plain" in json.dumps(event) and "Records" in event)
    answer = aws.invoke(event)
    assert answer["started"][0]["run_id"] == before[0]["name"]
    assert aws.executions("plain") == before


def test_the_schedules_own_input_runs_its_export_and_sends_nothing(aws):
    before = {one["name"] for one in aws.executions("plain")}
    schedule = aws.aws("scheduler", "get-schedule", "--group-name", "autopilot-export", "--name", "plain", "--output", "json")
    assert schedule["Target"]["Arn"].endswith(":function:autopilot-export:live")
    tick = schedule["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-23T06:00:00Z")
    answers = [aws.invoke(tick) for _ in range(2)]
    assert answers[0] == answers[1], "one tick is one run"
    run = aws.new_run("plain", before)
    ends_with_nothing_but_its_rejects(aws, run)


def test_a_person_starts_a_run_with_the_command_line(aws):
    result = aws.cli("--json", "start", "plain", "--full")
    assert result.returncode == 0, result.stderr
    run = json.loads(result.stdout)[0]["run_id"]
    assert aws.ended(run)["status"] == "SUCCEEDED"
    assert aws.report(run)["rows"]["delivered"] == 250, "a full run sends every row"
    assert run in aws.cli("runs", "plain").stdout


def test_the_first_object_out_of_place_is_notified_once(aws):
    with aws.listening() as messages:
        for number in range(2):
            aws.client("s3").put_object(Bucket=aws.outputs["bucket"], Key=f"segments/plian/{number}.csv", Body=b"EMail")
        wait_for("the execution that tells", 60, lambda: [one for one in aws.executions("misplaced") if one["status"] == "SUCCEEDED"])
        received = messages()
    assert [message["Subject"] for message in received] == ["autopilot-export: a file is where nothing is read"]
    assert "segments/plian/" in received[0]["Message"]
    assert len(aws.executions("misplaced")) == 1


def test_an_on_demand_event_starts_a_run(aws):
    event = json.loads((ROOT / "events/on-demand.json").read_text())
    key = "segments/plain/News letter (Zürich) 1+1.csv"
    answer = aws.invoke(event | {"export": "plain", "drops": [{"segment": "plain", "key": key}]})
    run = answer["started"][0]["run_id"]
    ends_with_nothing_but_its_rejects(aws, run)


def test_a_wrong_key_fails_the_run_and_says_so(aws):
    secret = json.loads(aws.aws("secretsmanager", "get-secret-value", "--secret-id", "autopilot-export/refused", "--output", "json")["SecretString"])
    wrong = json.dumps(secret | {"api_key": WRONG_KEY})
    aws.aws("secretsmanager", "put-secret-value", "--secret-id", "autopilot-export/refused", "--secret-string", wrong)
    with aws.listening() as messages, Webhook() as webhook:
        address = aws.folder / "webhook.txt"
        address.write_text(webhook.url)
        aws.aws("secretsmanager", "put-secret-value", "--secret-id", "autopilot-export/webhook", "--secret-string", f"file://{address}")
        run = aws.drop("refused", emails("refused", 5))
        ended = aws.ended(run)
        received = messages()
    assert [one["message"]["subject"] for one in webhook.received] == ["autopilot-export: refused: failed"]
    assert webhook.url not in aws.function_log.read_text()
    assert [message["Subject"] for message in received] == ["autopilot-export: refused: failed"]
    body = received[0]["Message"]
    assert "refuses the key" in body and f"runs/refused/{run}/report.html" in body and "autopilot-export start refused" in body
    events = aws.client("stepfunctions").get_execution_history(executionArn=aws.arn(run), maxResults=1000)["events"]
    resources = [event["taskSucceededEventDetails"]["resource"] for event in events if event["type"] == "TaskSucceeded"]
    assert "putEvents" in resources, "EventBridge gets every run"
    assert (ended["status"], ended["error"]) == ("FAILED", "access")
    report = aws.report(run)
    assert (report["outcome"], report["error"]["kind"], report["rows"]["pending"]) == ("failed", "access", 5)
    lease = json.loads(aws.objects("leases/refused.json")["leases/refused.json"])
    assert lease["holder"] is None


def test_silence_is_an_alarm_from_when_a_run_was_due(aws):
    """The alarm as deployed, on made-up runs: its own expressions, evaluated as CloudWatch does."""
    (alarm,) = aws.client("cloudwatch").describe_alarms(AlarmNames=["autopilot-export-plain-silence"])["MetricAlarms"]
    hours = alarm["EvaluationPeriods"]
    assert hours == 26, "a day, and two hours for the run"
    began = int(time.time()) // 3600 * 3600
    at = lambda hour: began + hour * 3600
    of_run = lambda succeeded: {"RunsSucceeded": float(succeeded), "RunsFailed": float(not succeeded), "RunSeconds": 30.0}
    runs = lambda *done, succeeded=True: {at(hour): [of_run(succeeded)] for hour in done}
    for now, metrics, is_silent in [
        (1, {}, False),
        (hours - 1, {}, False),
        (2 * hours + 2, {}, True),
        (2 * hours + 2, runs(3), True),
        (2 * hours + 2, runs(2 * hours - 5), False),
        (2 * hours + 2, runs(10, 34, 58), False),
        (2 * hours + 2, runs(2 * hours - 5, succeeded=False), False),
    ]:
        assert is_in_alarm(alarm, at(now), metrics) == is_silent, (now, metrics)


def test_an_event_that_started_nothing_is_sent_again(aws):
    queue = aws.outputs["dead_letters_url"]
    sqs, kinds = aws.client("sqs"), ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    before = {one["name"] for one in aws.executions("plain")}
    wrapped = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": {"export": "plain"}}
    for body in (wrapped, {"export": "no-such-export"}):
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
    result = aws.script("scripts/redrive", queue, aws.outputs["live"])
    assert (result.returncode, "1 sent again, 1 failed" in result.stderr) == (1, True), result.stderr
    assert "no-such-export" in result.stderr
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=kinds)["Attributes"]
    assert sum(map(int, counts.values())) == 1, "what failed stays"
    ends_with_nothing_but_its_rejects(aws, aws.new_run("plain", before))


def test_an_invocation_that_fails_fails_the_command(aws):
    event = aws.folder / "event.json"
    for export, code in [("plain", 0), ("no-such-export", 1)]:
        event.write_text(json.dumps({"export": export}))
        result = aws.script("scripts/invoke", aws.outputs["live"], event)
        assert result.returncode == code, result.stdout + result.stderr
        assert export in result.stdout
    for one in aws.executions("plain"):
        aws.ended(one["name"])


def test_a_rollback_lets_the_version_before_work_again(aws):
    functions, name = aws.client("lambda"), aws.outputs["function_name"]
    works = lambda: functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    first = works()
    rollback = lambda *version: aws.script("scripts/rollback", aws.outputs["live"], *version)
    result = rollback()
    assert (result.returncode, works()) == (2, first) and "is the first" in result.stderr, result.stderr
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as code:
        code.writestr("bootstrap", "the next deployment\n")
    second = functions.update_function_code(FunctionName=name, ZipFile=zipped.getvalue(), Publish=True)["Version"]
    assert rollback(second).returncode == 0 and works() == second != first
    result = rollback()
    assert (result.returncode, works()) == (0, first), result.stderr
    assert f"version {first} works instead of {second}" in result.stdout, result.stdout


def test_nothing_that_is_logged_or_kept_tells_of_a_person_or_the_key(aws):
    aws.tells_nothing()


def test_the_functions_role_was_enough(aws):
    assert aws.function_gate.refused == []


def test_the_bucket_is_a_store_like_any_other(aws):
    command = os.environ.get("STORES_TEST")
    if not command:
        pytest.skip("STORES_TEST names no command: make test-aws does")
    aws.done(shlex.split(command), AUTOPILOT_EXPORT_TEST_S3=aws.outputs["bucket"])


def test_destroy_leaves_nothing(aws):
    assert aws.script("scripts/may-destroy", aws.folder / "infra", *aws.options).returncode == 0, "deployed and asked for by force"
    aws.destroy()
    for service, listed, found in [
        ("s3", "list_buckets", "Buckets"),
        ("lambda", "list_functions", "Functions"),
        ("stepfunctions", "list_state_machines", "stateMachines"),
        ("scheduler", "list_schedules", "Schedules"),
        ("secretsmanager", "list_secrets", "SecretList"),
        ("sns", "list_topics", "Topics"),
        ("sqs", "list_queues", "QueueUrls"),
        ("iam", "list_roles", "Roles"),
        ("logs", "describe_log_groups", "logGroups"),
        ("cloudwatch", "describe_alarms", "MetricAlarms"),
        ("cloudwatch", "list_dashboards", "DashboardEntries"),
    ]:
        result = getattr(aws.client(service), listed)()
        assert not result.get(found), f"{listed}: {result}"
    kms = aws.client("kms")
    keys = [kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"] for one in kms.list_keys()["Keys"]]
    assert not [one for one in keys if one["KeyState"] != "PendingDeletion" and one["KeyManager"] == "CUSTOMER"]
