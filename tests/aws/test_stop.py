"""Runs that are stopped, on the local AWS.

Tests run in this order; the last ones look at what all of them have left behind.
"""

import json
import threading
import time

import pytest
from scene import emails

CONNECTIONS = ["stopped", "quick", "slow"]


def stop(aws, run):
    stopping = threading.Thread(target=aws.cli, args=("stop", run))
    stopping.start()
    return stopping.join


def disable(aws, run):
    """As `make deploy` does it; undone when the run has ended."""
    place = {"Bucket": aws.outputs["bucket"], "Key": "config/exports.json"}
    before = aws.client("s3").get_object(**place)["Body"].read()
    off = json.loads(before)
    off["exports"][run.split("-")[1]]["enabled"] = False
    aws.client("s3").put_object(**place, Body=json.dumps(off).encode())
    return lambda: aws.client("s3").put_object(**place, Body=before)


@pytest.mark.parametrize(("connection", "rows", "end"), [("quick", 6000, stop), ("slow", 200, stop), ("quick", 6000, disable)])
def test_nothing_arrives_later_than_15_s_after_the_stop_at_any_rate(aws, connection, rows, end):
    before = len(aws.members(connection, connection))
    run = aws.drop(connection, emails(connection, rows))
    aws.delivering(run, connection, before + 10)
    began = last = time.monotonic()
    undo, requests = end(aws, run), 0
    while time.monotonic() < began + 25:
        at = time.monotonic()
        if (arrived := aws.at(connection, "counters")["requests"]) > requests:
            requests, last = arrived, at
        time.sleep(0.1)
    assert last < began + 15, "a request arrived later"
    ended = aws.ended(run)
    undo()
    assert json.loads(ended["output"])["outcome"] == "stopped"
    delivered = aws.report(run)["rows"]["delivered"]
    # A request whose answer was not waited for is not counted, and is sent again by the next run.
    assert delivered <= len(aws.members(connection, connection)) - before < rows - before, "it had more to send"


def test_a_run_that_is_stopped_by_hand_loses_nothing(aws):
    run = aws.drop("stopped", emails("stopped", 200))
    aws.delivering(run, "stopped", 40)
    began = time.monotonic()
    result = aws.cli("stop", run)
    assert result.returncode == 0, result.stderr
    assert "stopped: " in result.stdout and time.monotonic() - began < 60, result.stdout
    members = len(aws.members("stopped", "stopped"))
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


def test_nothing_that_is_logged_or_kept_tells_of_a_person_or_the_key(aws):
    aws.tells_nothing()


def test_the_functions_role_was_enough(aws):
    assert aws.function_gate.refused == []
