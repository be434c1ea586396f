"""A pytest plugin: writes each test's outcome as it ends, and ends a test that hangs."""

import json
import os
import signal

import pytest

LIMIT_S = int(os.environ.get("CONFORMANCE_TEST_LIMIT_S", "120"))
OUTCOMES = {}


class Hung(Exception):
    """A test took longer than LIMIT_S."""


def _on_alarm(_signal, _frame):
    raise Hung(f"hung: no end after {LIMIT_S} s")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.alarm(LIMIT_S)
    yield
    signal.alarm(0)


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        outcome = report.outcome
        if outcome == "skipped":
            outcome = f"skipped: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"
        # A failure in set-up or tear-down outweighs the call's own success.
        if OUTCOMES.get(report.nodeid, "passed") in ("passed",):
            OUTCOMES[report.nodeid] = outcome
        with open(os.environ["CONFORMANCE_RECORD"], "w") as f:
            json.dump(OUTCOMES, f, indent=0, sort_keys=True)
