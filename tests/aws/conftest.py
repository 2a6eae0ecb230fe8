"""The scene of a file's tests: an AWS of its own, with the deployment of what the file names in `CONNECTIONS`. A test run that is
terminated stops everything as well; one that fails prints the log of the local AWS."""

import signal

import pytest
from scene import Scene
from world import ROOT, missing_program

signal.signal(signal.SIGTERM, signal.default_int_handler)
SCENES = []


@pytest.fixture(scope="module")
def aws(request):
    assert missing_program() is None, missing_program()
    scene = Scene(ROOT / ".local-aws" / request.module.__name__)
    SCENES.append(scene)
    try:
        scene.start()
        scene.deploy(request.module.CONNECTIONS, **getattr(request.module, "VARIABLES", {}))
        yield scene
    finally:
        scene.stop()


def pytest_terminal_summary(terminalreporter):
    if not (terminalreporter.stats.get("failed") or terminalreporter.stats.get("error")):
        return
    for log in [scene.folder / "aws.log" for scene in SCENES]:
        # Tracebacks and warnings, without the line for each request.
        lines = [line for line in log.read_text(errors="replace").splitlines() if '" 200 -' not in line]
        terminalreporter.section("log of the local AWS")
        terminalreporter.write_line("\n".join(lines[-60:]))
