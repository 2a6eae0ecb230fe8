"""The scene of a file's tests: an AWS of its own, with the deployment of what the file names in `CONNECTIONS`. A test run that is
terminated stops everything as well; one that fails prints the log of the local AWS."""

import signal

import pytest
from scene import Scene
from world import ROOT, missing_program

signal.signal(signal.SIGTERM, signal.default_int_handler)
SCENES = []


# Nothing exists on a new AWS. If Terraform still hears this, the answer to one of its calls was lost, and it called again.
CALLED_TWICE = "AlreadyExists"


@pytest.fixture(scope="module")
def aws(request):
    assert missing_program() is None, missing_program()
    try:
        scene = deployed(request.module)
    except RuntimeError as failure:
        if CALLED_TWICE not in str(failure):
            raise
        scene = deployed(request.module, "-again")
    yield scene
    scene.stop()


def deployed(module, suffix=""):
    scene = Scene(ROOT / ".local-aws" / f"{module.__name__}{suffix}")
    SCENES.append(scene)
    try:
        scene.start()
        scene.deploy(module.CONNECTIONS, **getattr(module, "VARIABLES", {}))
    except BaseException:
        scene.stop()
        raise
    return scene


def pytest_terminal_summary(terminalreporter):
    if not (terminalreporter.stats.get("failed") or terminalreporter.stats.get("error")):
        return
    for log in [scene.folder / "aws.log" for scene in SCENES]:
        # Tracebacks and warnings, without the line for each request.
        lines = [line for line in log.read_text(errors="replace").splitlines() if '" 200 -' not in line]
        terminalreporter.section("log of the local AWS")
        terminalreporter.write_line("\n".join(lines[-60:]))
