"""A test run that is ended from outside takes everything down as well; one that fails tells what the local AWS had to say."""

import signal

from world import ROOT

signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter):
    log = ROOT / ".local-aws/test/aws.log"
    if (terminalreporter.stats.get("failed") or terminalreporter.stats.get("error")) and log.exists():
        # Its tracebacks and warnings, without the line of each request.
        told = [line for line in log.read_text(errors="replace").splitlines() if '" 200 -' not in line]
        terminalreporter.section("the local AWS said")
        terminalreporter.write_line("\n".join(told[-60:]))
