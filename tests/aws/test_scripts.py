"""The scripts around the deployment, each on its own."""

import json
import os
import shutil
import subprocess

import pytest
from world import ROOT


def script(folder, name, *arguments, **answers):
    """Runs a script with programs in place of `aws` and `terraform` that answer what their arguments begin with; what has no answer
    succeeds in silence. Returns what it did, and the calls."""
    calls = folder / "calls"
    calls.write_text("")
    for program in ("aws", "terraform"):
        cases = "".join(f"  {begin!r}*) cat <<'END'\n{text}\nEND\n;;\n" for begin, text in answers.get(program, {}).items())
        file = folder / program
        file.write_text(f'#!/bin/sh\ncall="$*"\necho "{program} $call" >>{calls}\ncase "${{call#-chdir=infra }}" in\n{cases}esac\n')
        file.chmod(0o755)
    ended = subprocess.run(
        [ROOT / "scripts" / name, "infra", *arguments],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TERRAFORM": ""}, text=True, capture_output=True,
    )
    return ended, calls.read_text().splitlines()


@pytest.mark.parametrize("name", ["shared", "ours/shared"])
@pytest.mark.parametrize(
    ("secret", "is_taken", "says"),
    [
        ({"Tags": [{"Key": "application", "Value": "ours"}]}, True, "is taken over"),
        ({"Tags": [{"Key": "application", "Value": "theirs"}], "DeletedDate": "2026-11-23"}, True, "is taken over"),
        ({"Tags": [{"Key": "application", "Value": "theirs"}]}, False, "belongs to theirs"),
        ({"Tags": [{"Key": "team", "Value": "ours"}]}, False, "Key=application,Value=ours"),
        ({}, False, "no tag that says whose it is"),
    ],
)
def test_a_secret_in_use_is_taken_over_only_if_it_is_ours(tmp_path, name, secret, is_taken, says):
    if "application" not in str(secret) and name.startswith("ours/"):
        is_taken, says = True, "is taken over"
    names = json.dumps(json.dumps(["ours", [name]]))
    ended, calls = script(
        tmp_path, "recover-secrets",
        terraform={"console": f"a warning\n{names}"}, aws={"secretsmanager describe-secret": json.dumps({"ARN": "arn", **secret})},
    )
    imports = [call for call in calls if " import " in call]
    assert (ended.returncode == 0, len(imports) == 1) == (is_taken, is_taken), (ended, calls)
    assert says in ended.stdout + ended.stderr


def test_the_local_aws_keeps_its_own_state_whatever_the_backend(tmp_path):
    for folder in ("infra", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_modules", ".terraform"))
    (tmp_path / "infra/backend.tf").write_text(
        'terraform {\n  backend "s3" {\n    bucket = "a-real-deployment"\n    key    = "state"\n    region = "eu-central-1"\n  }\n}\n'
    )
    real = tmp_path / "real"
    state = {"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "real", "resources": []}
    outputs = {"outputs": {"bucket": {"value": "a-real-deployment", "type": "string"}}}
    (tmp_path / "real.tfstate").write_text(json.dumps(state | outputs))
    # Another program than Terraform, by its path.
    other, asked = tmp_path / "tofu", tmp_path / "asked"
    other.write_text(f'#!/bin/sh\necho "$1" >>{asked}\nexec terraform "$@"\n')
    other.chmod(0o755)
    settings = {
        "TERRAFORM": str(other), "LOCAL_AWS_DIR": str(tmp_path / "local"), "TF_DATA_DIR": str(real), "TF_WORKSPACE": "real",
        "TF_CLI_ARGS_output": f"-state={tmp_path}/real.tfstate",
    }
    shown = subprocess.run(
        [tmp_path / "scripts/local-infra", "output", "-json"], env={**os.environ, **settings}, text=True, capture_output=True
    )
    assert (shown.returncode, json.loads(shown.stdout or "0")) == (0, {}), shown.stderr
    backend = json.loads((tmp_path / "local/infra/.terraform/terraform.tfstate").read_text())["backend"]
    assert backend["type"] == "local"
    assert asked.read_text().split() == ["init", "output"]
    assert not real.exists()


@pytest.mark.parametrize(
    ("own", "deployed", "option", "objects", "may"),
    [
        (True, False, False, 1, False),
        (True, False, True, 1, False),
        (True, True, False, 1, False),
        (True, True, True, 1, True),
        (True, False, False, 0, True),
        (False, False, True, 1, False),
        (False, True, True, 1, True),
        (False, False, False, 0, True),
    ],
)
def test_a_key_outlives_the_data_unless_both_deploy_and_destroy_were_forced(tmp_path, own, deployed, option, objects, may):
    attributes = {"aws_s3_bucket.store": {"bucket": "theirs", "force_destroy": deployed}, "aws_secretsmanager_secret.connection": {"recovery_window_in_days": 0 if deployed else 7}}
    resources = [
        {"mode": "managed", "type": name.split(".")[0], "name": name.split(".")[1], "instances": [{"attributes": one}]}
        for name, one in attributes.items() if own or "secret" in name
    ]
    state = json.dumps({"outputs": {"bucket": {"value": "theirs"}}, "resources": resources})
    ended, _ = script(
        tmp_path, "may-destroy", *["-var=force_destroy=true"] * option,
        terraform={"state pull": state}, aws={"s3api list-object": objects},
    )
    assert ended.returncode == (0 if may else 1), ended
    assert may or "theirs holds" in ended.stderr and "OPTIONS=-var=force_destroy=true" in ended.stderr
