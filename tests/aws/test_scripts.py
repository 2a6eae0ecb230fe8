"""The scripts around the deployment, each on its own."""

import json
import os
import shutil
import subprocess

from world import ROOT


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
    settings = {
        "LOCAL_AWS_DIR": str(tmp_path / "local"), "TF_DATA_DIR": str(real), "TF_WORKSPACE": "real",
        "TF_CLI_ARGS_output": f"-state={tmp_path}/real.tfstate",
    }
    shown = subprocess.run(
        [tmp_path / "scripts/local-infra", "output", "-json"], env={**os.environ, **settings}, text=True, capture_output=True
    )
    assert (shown.returncode, json.loads(shown.stdout or "0")) == (0, {}), shown.stderr
    backend = json.loads((tmp_path / "local/infra/.terraform/terraform.tfstate").read_text())["backend"]
    assert backend["type"] == "local"
    assert not real.exists()
