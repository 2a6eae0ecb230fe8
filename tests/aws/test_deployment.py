"""The deployment in use, on the local AWS: infra/ applied unchanged, the function's program, sandboxes as Autopilots.

Tests run in this order; the last ones look at what all of them have left behind, and destroy it.
"""

import io
import json
import os
import shlex
import time
import zipfile
import zlib

import pytest
from faulty_s3 import FaultyS3
from metric_math import is_in_alarm
from proxy import Webhook
from scene import DOMAIN, KEY, WRONG_KEY, emails
from world import CLI, ROOT, wait_for


@pytest.fixture(scope="session", autouse=True)
def stopped(aws):
    """A run that a person stops at once."""
    run = aws.drop("stopped", emails("stopped", 200))
    aws.delivering(run, "stopped", 40)
    began = time.monotonic()
    result = aws.cli("stop", run)
    assert result.returncode == 0, result.stderr
    assert "stopped: " in result.stdout and time.monotonic() - began < 60, result.stdout
    return run, len(aws.members("stopped", "stopped"))


def assert_rate(aws, connection, rate, *runs):
    """Departures never exceed the rate. Arrivals may on a busy machine, when late requests meet the next ones. Two lanes or runs
    that did not share the rate would arrive at twice the rate."""
    assert max(aws.report(run)["requests"]["peak_per_second"] for run in runs) <= rate
    assert aws.at(connection, "counters")["peak_per_second"] < 1.5 * rate


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


def test_runs_of_one_connection_wait_for_each_other(aws):
    first = aws.drop("first", emails("first", 120))
    aws.delivering(first, "shared", 10)
    second = aws.drop("second", emails("second", 20))
    assert [aws.ended(run)["status"] for run in (first, second)] == ["SUCCEEDED"] * 2
    waits = [answer for _, answer, _ in aws.calls(second, "prepare")]
    assert waits[0]["status"] == "wait"
    assert [len(aws.members("shared", export)) for export in ("first", "second")] == [120, 20]
    assert_rate(aws, "shared", 20, first, second)


def test_a_worker_that_is_killed_loses_nothing(aws):
    rows = emails("mortal", 200)
    run = aws.drop("mortal", rows)
    aws.delivering(run, "mortal", 60)[0].process.kill()
    assert aws.ended(run)["status"] == "SUCCEEDED"
    errors = [answer["errorType"] for _, answer, failed in aws.calls(run, "deliver") if failed]
    assert errors == ["Runtime.ExitError"]
    assert aws.members("mortal", "mortal") == sorted(rows)
    assert aws.report(run)["rows"]["delivered"] == 200


def test_a_lane_that_needs_longer_than_a_call_may_take_is_called_again(aws):
    rows = emails("slow", 180)
    run = aws.drop("slow", rows)
    assert aws.ended(run)["status"] == "SUCCEEDED"
    calls = aws.calls(run, "deliver")
    assert not [answer for _, answer, failed in calls if failed], "each call ended in time by itself"
    for lane in (0, 1):
        assert len([event for event, _, _ in calls if event["lane"] == lane]) >= 2
    assert aws.members("slow", "slow") == sorted(rows)
    assert_rate(aws, "slow", 4, run)


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


def test_a_run_that_cannot_be_finished_is_notified_and_the_next_one_finishes_it(aws):
    with aws.listening() as messages:
        run = aws.drop("damaged", emails("damaged", 120))
        aws.delivering(run, "damaged", 20)
        key = f"runs/damaged/{run}/run.json"
        record = aws.objects(key)[key]
        put = lambda body: aws.client("s3").put_object(Bucket=aws.outputs["bucket"], Key=key, Body=body)
        put(b"{")
        ended = aws.ended(run)
        received = messages()
    assert (ended["status"], ended["error"]) == ("FAILED", "config"), ended
    assert [message["Subject"] for message in received] == ["autopilot-export: damaged: failed"]
    assert run in received[0]["Message"] and "is damaged" in received[0]["Message"]
    put(record)
    following = json.loads(aws.cli("--json", "start", "damaged").stdout)[0]["run_id"]
    assert aws.ended(following)["status"] == "SUCCEEDED"
    assert aws.report(run)["outcome"] == "interrupted"
    assert aws.members("damaged", "damaged") == sorted(emails("damaged", 120))


def test_an_ortto_connection_checks_key_and_region_and_tags_members(aws):
    refused = aws.cli("connect", "ortto", given=f"{WRONG_KEY}\n", ORTTO_BASE_URL=aws.urls["ortto"])
    assert refused.returncode == 3 and "region" in refused.stderr, refused.stderr
    rows = emails("ortto", 250)
    for members in (rows, rows[50:]):
        run = aws.drop("ortto", members)
        assert aws.ended(run)["status"] == "SUCCEEDED"
        assert aws.members("ortto", "ortto") == sorted(members)
        assert f"{len(members)} members, as expected" in str(aws.report(run)["remarks"])
        assert_rate(aws, "ortto", 20, run)
    assert len(aws.at("ortto", "contents")["contacts"]) == 250, "nobody is deleted, nobody created by leaving"


def test_a_run_that_is_stopped_by_hand_loses_nothing(aws, stopped):
    run, members = stopped
    ended = aws.ended(run)
    assert (ended["status"], json.loads(ended["output"])["outcome"]) == ("SUCCEEDED", "stopped")
    report = aws.report(run)
    assert (report["outcome"], report["rows"]["delivered"]) == ("stopped", members), "nothing was sent after the report"
    assert members < 200 and len(aws.members("stopped", "stopped")) == members
    assert f"{run}  stopped" in aws.cli("runs", "stopped").stdout
    result = aws.cli("--json", "start", "stopped")
    assert result.returncode == 0, result.stderr
    following = json.loads(result.stdout)[0]["run_id"]
    assert aws.ended(following)["status"] == "SUCCEEDED"
    assert aws.members("stopped", "stopped") == sorted(emails("stopped", 200))
    rows = aws.report(following)["rows"]
    assert rows["delivered"] + rows["unchanged"] == 200
    assert rows["unchanged"] >= min(members, 40), "what was confirmed before is not sent again"


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


def test_an_s3_that_fails_throttles_and_conflicts_loses_nothing(aws):
    drop = aws.folder / "faulty.csv"
    for count, members in [(300, emails("faulty", 300)), (200, emails("faulty", 200))]:
        drop.write_text("EMail,FirstName\n" + "".join(f"{email},Zoë {count}\n" for email in members))
        with FaultyS3(aws.endpoint) as s3:
            for _ in range(5):
                result = aws.cli("--json", "run", "faulty", "--drop", drop, AWS_ENDPOINT_URL=s3.url)
                # If it gave up, the same command resumes.
                if result.returncode != 5:
                    break
        assert result.returncode == 0, result.stderr
        assert all(s3.faults.values()), s3.faults
        assert aws.members("faulty", "faulty") == sorted(members)
        assert len(aws.at("faulty", "contents")["contacts"]) == 300
    result = aws.cli("--json", "run", "faulty", "--drop", drop)
    assert json.loads(result.stdout)["outcome"] == "nothing_to_do", result.stdout


def test_nothing_that_is_logged_or_kept_tells_of_a_person_or_the_key(aws):
    texts = {"the function's log": aws.function_log.read_bytes()}
    texts["steps"] = json.dumps(aws.functions.calls).encode()
    executions, states = aws.executions(), aws.client("stepfunctions")
    assert len(executions) >= 10
    for one in executions:
        arn = one["executionArn"]
        for result in (states.get_execution_history(executionArn=arn), states.describe_execution(executionArn=arn)):
            texts[f"{one['name']}: {list(result)}"] = json.dumps(result, default=str).encode()
    objects = aws.objects()
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


def test_the_functions_role_was_enough(aws):
    assert aws.function_gate.refused == []


def test_secrets_that_are_there_are_taken_over(aws):
    """Of a deployment that was destroyed within the last days; of a person who connected first."""
    infra, secrets = aws.folder / "infra", aws.client("secretsmanager")
    deleted, connected = "autopilot-export/refused", "autopilot-export/slow"
    for name in (deleted, connected):
        aws.terraform("state", "rm", f'aws_secretsmanager_secret.connection["{name}"]')
    value = secrets.get_secret_value(SecretId=deleted)["SecretString"]
    secrets.delete_secret(SecretId=deleted, RecoveryWindowInDays=7)
    key = secrets.describe_secret(SecretId=deleted)["KmsKeyId"].rsplit("/", 1)[-1]
    aws.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    # Before a first deployment neither the secret is there nor the bucket; a state key that is stays.
    state_key = secrets.get_secret_value(SecretId=f"{connected}/state-key")["SecretString"]
    secrets.delete_secret(SecretId=connected, ForceDeleteWithoutRecovery=True)
    result = aws.run([CLI, "--config", aws.config, "--store", "s3://not-deployed-yet", "connect", "slow"], given=f"{KEY}\n")
    assert result.returncode == 0 and "is not there yet" in result.stderr, result.stderr
    assert json.loads(secrets.get_secret_value(SecretId=connected)["SecretString"]) == {"api_key": KEY, "state_key": state_key}
    result = aws.script("scripts/recover-secrets", infra, *aws.options)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("is taken over") == 2, result.stdout
    assert secrets.get_secret_value(SecretId=deleted)["SecretString"] == value
    assert aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    held = aws.terraform("state", "list")
    assert all(f'aws_secretsmanager_secret.connection["{name}"]' in held for name in (deleted, connected))


def test_a_bucket_that_holds_data_is_not_left_without_its_key(aws):
    infra = aws.folder / "infra"
    result = aws.script("scripts/may-destroy", infra)
    assert result.returncode == 1 and "force_destroy=true" in result.stderr, result.stderr
    assert aws.script("scripts/may-destroy", infra, *aws.options).returncode == 0, "forced to destroy"


def test_the_bucket_is_a_store_like_any_other(aws):
    command = os.environ.get("STORES_TEST")
    if not command:
        pytest.skip("STORES_TEST names no command: make test-aws does")
    aws.done(shlex.split(command), AUTOPILOT_EXPORT_TEST_S3=aws.outputs["bucket"])


def test_destroy_leaves_nothing(aws):
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
