"""Runs that take their time, on the local AWS: they wait for each other, are killed, called again, and fail.

Tests run in this order; the last ones look at what all of them have left behind.
"""

import json

from scene import WRONG_KEY, emails

CONNECTIONS = ["shared", "mortal", "slow", "damaged", "ortto"]


def assert_rate(aws, connection, rate, *runs):
    """Departures never exceed the rate. Arrivals may on a busy machine, when late requests meet the next ones. Two lanes or runs
    that did not share the rate would arrive at twice the rate."""
    assert max(aws.report(run)["requests"]["peak_per_second"] for run in runs) <= rate
    assert aws.at(connection, "counters")["peak_per_second"] <= max(1.5 * rate, rate + 3)


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
    rows = emails("slow", 120)
    run = aws.drop("slow", rows)
    assert aws.ended(run)["status"] == "SUCCEEDED"
    calls = aws.calls(run, "deliver")
    assert not [answer for _, answer, failed in calls if failed], "each call ended in time by itself"
    for lane in (0, 1):
        assert len([event for event, _, _ in calls if event["lane"] == lane]) >= 2
    assert aws.members("slow", "slow") == sorted(rows)
    assert_rate(aws, "slow", 4, run)


def test_a_comparison_by_its_schedule_finds_who_was_deleted_by_hand(aws):
    gone = emails("slow", 1)[0]
    aws.delete("slow", gone)
    schedule = aws.aws("scheduler", "get-schedule", "--group-name", "autopilot-export", "--name", "slow.reconcile", "--output", "json")
    tick = schedule["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-22T22:00:00Z")
    with aws.listening() as messages:
        for event in (tick, {"reconcile": "slow"}):
            answer = aws.invoke(event)
            assert event != tick or aws.invoke(event) == answer, "one tick is one comparison"
            run = answer["started"][0]["run_id"]
            ended = aws.ended(run)
            assert (ended["status"], json.loads(ended["output"])["outcome"]) == ("SUCCEEDED", "differences_found"), ended
            found = aws.report(run)["reconciled"][0]
            assert (found["members"], found["deleted"], found["missing"], found["extra"]) == (120, 1, 0, 0)
            assert not [key for key in aws.objects(f"runs/slow/{run}/") if "/census/" in key], "what was read goes with the end"
        received = messages()
    assert [message["Subject"] for message in received] == ["autopilot-export: slow: the account differs"], "the same again is not news"


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


def test_nothing_that_is_logged_or_kept_tells_of_a_person_or_the_key(aws):
    aws.tells_nothing()


def test_the_functions_role_was_enough(aws):
    assert aws.function_gate.refused == []
