"""Starts the local AWS, prints how to use it, and stops it at Ctrl-C. See scripts/aws-local.

Settings, by environment variable:
  CONFIG            the configuration, default exports.json
  AWS_PORT          where AWS listens, default 5000
  SANDBOX_PORT      where the sandbox listens, default 8080; that of Ortto one above
  RATE, LATENCY_MS  of the sandbox: requests a second that it allows, and how long its answers take; default 20 and 100
  SANDBOX           other options of the sandbox, such as "--faults 429:0.05"; default "--bulk-lists always"
  TIMEOUT_SECONDS   the function's time limit, default 900
  LANES             of connections that do not name theirs, default 2, so that a run shows them
  AUTOPILOT_BASE_URL, ORTTO_BASE_URL, AUTOPILOT_API_KEY
                    export to these servers with this key, instead of sandboxes: one of each API that the configuration names
  LAMBDA_BINARY, CLI_BINARY
                    built programs, by default those in target/debug
"""

import json
import os
import pathlib
import signal
import sys

import world
from world import ROOT, World


def setting(name, default):
    return os.environ.get(name) or default


def with_lanes(aws, config):
    """A copy of the configuration in which every connection has several lanes."""
    deployed = json.loads(config.read_text())
    for connection in deployed["connections"].values():
        connection.setdefault("lanes", int(setting("LANES", "2")))
    copy = aws.folder / "exports.json"
    copy.write_text(json.dumps(deployed, indent=2))
    return copy


def up(aws):
    aws.start()
    config = with_lanes(aws, pathlib.Path(setting("CONFIG", ROOT / "exports.json")).resolve())
    connections = json.loads(config.read_text())["connections"]
    apis = {connection.get("api", "autopilot") for connection in connections.values()}
    urls = {}
    for api, variable in [("autopilot", "AUTOPILOT_BASE_URL"), ("ortto", "ORTTO_BASE_URL")]:
        if api in apis:
            urls[variable] = os.environ.get(variable) or sandbox(aws, api)
    print("applying infra/ (about 90 s)", flush=True)
    overrides = {"AUTOPILOT_BASE_URL": "base_url_override", "ORTTO_BASE_URL": "ortto_base_url_override"}
    aws.apply(config, timeout_seconds=setting("TIMEOUT_SECONDS", "900"), **{overrides[variable]: url for variable, url in urls.items()})
    for name in connections:
        aws.connect(name, setting("AUTOPILOT_API_KEY", "any-key-will-do"), **urls)


def sandbox(aws, api):
    options = ["--rate", setting("RATE", "20"), "--latency-ms", setting("LATENCY_MS", "100"), *setting("SANDBOX", "--bulk-lists always").split()]
    port = int(setting("SANDBOX_PORT", "8080")) + (api == "ortto")
    url = aws.sandbox(f"sandbox-{api}", "--api", api, *options, port=port)
    print(f"{api}: {url.removesuffix('/v1')}/ shows what has arrived", flush=True)
    return url


def print_instructions(aws):
    config = json.loads(pathlib.Path(aws.config).read_text())
    name, export = next(iter(config["exports"].items()))
    prefix, bucket = export["segments"][0]["prefix"], aws.outputs["bucket"]
    print("\nReady. In another terminal:\n")
    for key, value in aws.environment.items():
        print(f"export {key}={value}")
    print(f"aws s3 cp demo/today.csv s3://{bucket}/{prefix}today.csv")
    program = f"{os.path.relpath(world.CLI, ROOT)} --config {os.path.relpath(aws.config, ROOT)} --store s3://{bucket}"
    print(f"{program} runs")
    print(f"{program} start {name}")
    print(f"\nLogs are in {os.path.relpath(aws.folder, ROOT)}/; Ctrl-C stops everything.", flush=True)


def main():
    if missing := world.missing_program():
        print(f"aws-local: {missing}", file=sys.stderr)
        return 2
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for one in signals:
        signal.signal(one, signal.default_int_handler)
    aws = World(os.environ.get("LOCAL_AWS_DIR") or ROOT / ".local-aws", int(setting("AWS_PORT", "5000")))
    try:
        up(aws)
        print_instructions(aws)
        signal.pause()
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
    except (RuntimeError, TimeoutError) as failure:
        print(f"aws-local: {failure}", file=sys.stderr)
        return 1
    finally:
        for one in signals:  # a second signal must not leave anything running
            signal.signal(one, signal.SIG_IGN)
        aws.stop()
    return 0


sys.exit(main())
