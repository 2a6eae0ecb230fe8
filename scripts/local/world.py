"""The whole deployment on this machine: an AWS (moto), the function's program, Autopilots (the sandbox), infra/ unchanged.

`scripts/aws-local` shows it and `tests/aws` tests it. Nothing is left running after `stop`; all files are in one folder.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile

from functions import Functions

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAMBDA = os.environ.get("LAMBDA_BINARY", ROOT / "target/debug/autopilot-export-lambda")
CLI = os.environ.get("CLI_BINARY", ROOT / "target/debug/autopilot-export")
ACCOUNT, REGION = "123456789012", "us-east-1"

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_up(url):
    try:
        DIRECT.open(url, timeout=2).close()
        return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_for(what, seconds, look, every=0.2):
    """Calls `look` until it returns something, and returns that."""
    until = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)
    return seen


class World:
    def __init__(self, folder, port=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A new AWS holds nothing of an earlier one.
        for old in [*self.folder.glob("*.log"), *self.folder.glob("infra/*.tfstate*")]:
            old.unlink()
        self.port = port or free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.processes = []
        self.outputs = {}
        self.options = []
        self.function_log = self.folder / "function.log"
        self.functions = None

    def shell(self):
        """The environment for commands."""
        tools = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
        local = {"AWS_PAGER": "", "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        others = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return {**others, **local, "PATH": tools, **self.environment}

    def spawn(self, name, command):
        """Starts a program that keeps running, in its own session, so that Ctrl-C reaches only this one."""
        log = open(self.folder / f"{name}.log", "wb")
        started = subprocess.Popen(
            [str(one) for one in command], env=self.shell(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.processes.append(started)
        return started

    def run(self, command, given=None, **more):
        """Runs a command; returns its output and exit code."""
        return subprocess.run(
            [str(one) for one in command], env={**self.shell(), **more}, cwd=ROOT, input=given, text=True, capture_output=True
        )

    def done(self, command, **more):
        """Runs a command that must succeed; returns what it printed."""
        ended = self.run(command, **more)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(map(str, command[:4]))}: ended with {ended.returncode}\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}")
        return ended.stdout

    def start(self):
        if is_up(self.endpoint):
            raise RuntimeError(f"port {self.port} is in use")
        self.functions = Functions(LAMBDA, open(self.function_log, "ab"))
        self.functions.environment = self.environment
        self.spawn("aws", [sys.executable, ROOT / "scripts/local_aws.py", "--port", self.port, "--functions", self.functions.url])
        wait_for("AWS", 60, lambda: is_up(f"{self.endpoint}/moto-api/data.json"))

    def sandbox(self, name, *options, port=0):
        """Starts a sandbox; returns its address, up to and including /v1."""
        started = self.spawn(name, [CLI, "sandbox", "--port", port, *options])
        log = self.folder / f"{name}.log"

        def look():
            if started.poll() is not None:
                raise RuntimeError(f"{name}: {log.read_text().strip()}")
            return [one for one in log.read_text().splitlines() if one.startswith("sandbox: ")]

        return wait_for(name, 60, look)[0].split()[1]

    def terraform(self, command, *options):
        return self.done(["scripts/local-infra", command, *options], LOCAL_AWS_DIR=str(self.folder))

    def apply(self, config, **variables):
        """Deploys infra/ with this configuration."""
        # The functions run the program directly, so the zip need not contain it.
        with zipfile.ZipFile(self.folder / "function.zip", "w") as zipped:
            zipped.writestr("bootstrap", "placeholder\n")
        given = {"config_file": config, "function_zip": self.folder / "function.zip", "architecture": "x86_64", "force_destroy": "true"}
        variables = given | variables
        self.config = config
        self.options = [f"-var={name}={value}" for name, value in variables.items()]
        self.terraform("apply", *self.options)
        outputs = json.loads(self.terraform("output", "-json"))
        self.outputs = {name: output["value"] for name, output in outputs.items()}
        self.environment |= {
            "AUTOPILOT_EXPORT_WORKFLOW_ARN": self.outputs["workflow_arn"],
            "AUTOPILOT_EXPORT_DEPLOYMENT": self.outputs["function_name"],
        }

    def destroy(self):
        self.terraform("destroy", *self.options)

    def cli(self, *arguments, **more):
        """Runs the command line on the deployment's bucket."""
        return self.run([CLI, "--config", self.config, "--store", f"s3://{self.outputs['bucket']}", *arguments], **more)

    def connect(self, connection, key, **more):
        """Stores a connection's key, as a person would."""
        ended = self.cli("connect", connection, given=f"{key}\n", **more)
        if ended.returncode:
            raise RuntimeError(f"connect {connection}: {ended.stderr.strip()}")

    def aws(self, *arguments):
        """Runs the `aws` command line; returns its output, parsed if it is JSON. Not every version honours AWS_ENDPOINT_URL everywhere."""
        output = self.done(["aws", "--endpoint-url", self.endpoint, *arguments])
        try:
            return json.loads(output)
        except ValueError:
            return output

    def stop(self):
        """Stops everything."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.functions:
            self.functions.stop()


def missing_program():
    """What is needed and missing, in one line; None if nothing is."""
    terraform = os.environ.get("TERRAFORM") or "terraform"
    if not shutil.which(terraform):
        return f"{terraform}: not found; install Terraform 1.9 or later"
    for program in [LAMBDA, CLI]:
        if not pathlib.Path(program).exists():
            return f"{program}: not built; run cargo build --locked"
    return None
