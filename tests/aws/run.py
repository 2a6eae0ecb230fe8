"""Runs all files of tests beside this one at the same time, each on an AWS of its own, as most of the time is spent waiting. Says what
each said once it has ended, and how long it took.

    scripts/local/python tests/aws/run.py [options of pytest]
"""

import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


def provider():
    """Has the AWS provider downloaded once, rather than by each file's `terraform init`."""
    cache = pathlib.Path(os.environ.setdefault("TF_PLUGIN_CACHE_DIR", str(ROOT / ".local-aws/plugins")))
    cache.mkdir(parents=True, exist_ok=True)
    first = {**os.environ, "LOCAL_AWS_DIR": str(ROOT / ".local-aws/first")}
    subprocess.run([ROOT / "scripts/local-infra", "version"], env=first, check=True, stdout=subprocess.DEVNULL)


def start(file, options):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, file]
    # In its own session, so that each file gets a signal once.
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)


def main(options):
    provider()
    began, ended = time.monotonic(), queue.Queue()
    running = {file.name: start(file, options) for file in sorted(HERE.glob("test_*.py"))}

    def stop(*_):
        for one in running.values():
            if one.poll() is None:
                one.terminate()

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, stop)
    wait = lambda name, one: ended.put((name, one.communicate()[0], one.returncode, time.monotonic() - began))
    for name, one in running.items():
        threading.Thread(target=wait, args=(name, one), daemon=True).start()
    codes = []
    for _ in running:
        name, said, code, seconds = ended.get()
        codes.append(code)
        print(f"{name}: {seconds:.0f} s, exit {code}\n{said}", flush=True)
    return 1 if any(codes) else 0


sys.exit(main(sys.argv[1:]))
