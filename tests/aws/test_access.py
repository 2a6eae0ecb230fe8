"""Who may do what: each command under each policy for people, and the function under its role's, as docs/OPERATIONS.md has it; and what
becomes of a person's run on a bad day of S3's."""

import json
import re

import pytest
from faulty_s3 import FaultyS3
from scene import DOMAIN, KEY, emails
from world import ROOT

CONNECTIONS = ["people", "faulty"]
PEOPLE = ["administrator", "operator", "viewer", "rejects", "contributor"]
GONE = f"gone@{DOMAIN}"
# What the command line answers where AWS refuses access.
REFUSED = 3


@pytest.fixture(scope="module")
def ended(aws):
    """A run that has ended, with a reject."""
    run = aws.drop("people", [*emails("people", 20), "no address"])
    assert aws.ended(run)["status"] == "SUCCEEDED"
    return run


def table():
    """The table of the page: what may be done -> who may do it."""
    page = (ROOT / "docs/OPERATIONS.md").read_text().split("## Who may do what")[1].split("\n## ")[0]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")]
    heads = rows[0][1:]
    assert heads == PEOPLE
    return {re.sub(r"`", "", row[0]): {who for who, cell in zip(heads, row[1:]) if cell == "yes"} for row in rows[1:] if "---" not in row[0]}


class Person:
    """Somebody who has one policy, and so goes through a gate."""

    def __init__(self, aws, gate, run):
        self.aws, self.gate, self.run, self.bucket = aws, gate, run, aws.outputs["bucket"]

    def command(self, *arguments, **more):
        ended = self.aws.cli(*arguments, AWS_ENDPOINT_URL=self.gate.url, **more)
        assert ended.returncode in (0, 1, REFUSED), ended.stderr
        assert self.gate.refused or ended.returncode != REFUSED, ended.stderr
        return ended.returncode != REFUSED

    def object(self, call, key, **more):
        try:
            getattr(self.aws.client("s3", self.gate.url), call)(Bucket=self.bucket, Key=key, **more)
            return True
        except self.aws.client("s3").exceptions.ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error
            return False

    def script(self, *command):
        return self.aws.script(*command, endpoint=self.gate.url).returncode == 0

    def connect(self):
        return self.command("connect", "people", given=f"{KEY}\n")

    def start(self):
        started = self.aws.cli("--json", "start", "people", AWS_ENDPOINT_URL=self.gate.url)
        for one in json.loads(started.stdout or "[]"):
            self.aws.ended(one["run_id"])
        return started.returncode == 0

    def file(self):
        path = self.aws.folder / "at-hand.csv"
        path.write_text("".join(f"{line}\n" for line in ["EMail,FirstName", *(f"{email},Zoë" for email in emails("people", 21))]))
        return path

    def stop(self):
        """A run that the workflow knows, and that has not begun."""
        keys = [f"runs/people/{self.run}/{name}" for name in ("run.json", "report.json")]
        kept = {key: self.aws.objects(key)[key] for key in keys}
        s3 = self.aws.client("s3")
        for key in kept:
            s3.delete_object(Bucket=self.bucket, Key=key)
        try:
            return self.command("stop", self.run)
        finally:
            s3.delete_object(Bucket=self.bucket, Key=f"runs/people/{self.run}/stop.json")
            for key, body in kept.items():
                s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def invoke(self):
        event = self.aws.folder / "nothing.json"
        event.write_text(json.dumps({"Event": "s3:TestEvent"}))
        return self.script("scripts/invoke", self.aws.outputs["live"], event)

    def drop(self):
        # Without a byte, so that it starts nothing.
        return self.object("put_object", "segments/people/empty.csv", Body=b"")

    def tries(self):
        """What the page lists, and how it is tried."""
        one = self.run
        return {
            "connect": self.connect,
            "check": lambda: self.command("check"),
            "run, retry, plan": lambda: all([
                self.command("plan", "people"), self.command("run", "people"), self.command("retry", one),
            ]),
            "plan of a local file": lambda: self.command("plan", "people", self.file()),
            "start": self.start,
            "stop": self.stop,
            "make invoke": self.invoke,
            "make redrive": lambda: self.script("scripts/redrive", self.aws.outputs["dead_letters_url"], self.aws.outputs["live"]),
            "try": lambda: self.command("try", "people", "--email", emails("people", 1)[0]),
            "reconcile, person, person --history, erase": lambda: all([
                self.command("reconcile", "people"), self.command("person", GONE), self.command("person", GONE, "--offline", "--history"),
                self.command("erase", GONE, "--yes", GONE),
            ]),
            "runs, runs --html, status": lambda: all([self.command("runs"), self.command("runs", "--html"), self.command("status")]),
            "report, watch": lambda: all([self.command("report", one), self.command("watch", one)]),
            "read rejects.csv": lambda: self.object("get_object", f"runs/people/{one}/rejects.csv"),
            "drop files": self.drop,
        }


def test_each_command_is_allowed_as_the_page_says(aws, ended):
    expected, seen = table(), {}
    # Two versions of what starts nothing, because it is in a folder below.
    person = {"Bucket": aws.outputs["bucket"], "Key": "segments/people/below/gone.csv"}
    for name in ("Zoë", "Zoe"):
        aws.client("s3").put_object(**person, Body=f"EMail,FirstName\n{GONE},{name}\n".encode())
    for who in PEOPLE:
        policy = aws.outputs["people"][who]
        with aws.gate(policy["people"] if who == "contributor" else policy) as gate:
            for what, attempt in Person(aws, gate, ended).tries().items():
                if attempt():
                    seen.setdefault(what, set()).add(who)
    aws.client("s3").delete_object(Bucket=aws.outputs["bucket"], Key="segments/people/empty.csv")
    assert seen == expected
    left = aws.client("s3").list_object_versions(Bucket=person["Bucket"], Prefix=person["Key"])
    assert not left.get("Versions"), "erased from old versions as well"


def test_the_functions_role_was_enough(aws):
    assert aws.function_gate.refused == []


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
