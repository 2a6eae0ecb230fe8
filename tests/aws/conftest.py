"""The scene of all tests. A test run that is terminated stops everything as well; one that fails prints the log of the local AWS."""

import signal

import pytest
from scene import Scene
from world import ROOT, missing_program

signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def aws():
    assert missing_program() is None, missing_program()
    scene = Scene(ROOT / ".local-aws/test")
    try:
        scene.start()
        scene.deploy()
        yield scene
    finally:
        scene.stop()


def pytest_terminal_summary(terminalreporter):
    log = ROOT / ".local-aws/test/aws.log"
    if (terminalreporter.stats.get("failed") or terminalreporter.stats.get("error")) and log.exists():
        # Tracebacks and warnings, without the line for each request.
        lines = [line for line in log.read_text(errors="replace").splitlines() if '" 200 -' not in line]
        terminalreporter.section("log of the local AWS")
        terminalreporter.write_line("\n".join(lines[-60:]))
