"""Runs a tool of Python Swift's and ours with the same arguments, and compares all that they say."""

import os
import pathlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tests.support.dev import binary

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = pathlib.Path(os.environ.get("SWIFT_TEST_VENV", ROOT / "target/venv"))


class Tools:
    """Both programs' tools, on the configuration in `<data>/etc`."""

    def __init__(self, data):
        self.data = pathlib.Path(data)

    def python(self, name, *args):
        """Runs Python Swift's; gives the finished process."""
        env = dict(os.environ, SAIO_SWIFT_DIR=str(self.data / "etc"), SAIO_BIN=str(VENV / "bin"), SAIO=str(self.data))
        # Otherwise every run imports a resolver first, and only addresses are used here.
        env["EVENTLET_NO_GREENDNS"] = "yes"
        return self._run([str(VENV / "bin/python"), str(ROOT / "tests/peer/bin/sw"), name], args, env)

    def ours(self, name, *args):
        """Runs ours; gives the finished process."""
        return self._run([binary(), name], args, dict(os.environ))

    def _run(self, program, args, env):
        argv = program + [os.fspath(arg) for arg in args]
        return subprocess.run(argv, capture_output=True, env=env, cwd=self.data, timeout=120, check=False)

    def same(self, name, *args, at_once=False):
        """Runs both, Python's last unless they may run `at_once`; gives our standard output. Of help and usage the first
        line must be the same (the rest is each program's own text), and where Python ends in a traceback ours need only
        say why."""
        with ThreadPoolExecutor(2 if at_once else 1) as pool:
            ours, python = pool.map(lambda run: run(name, *args), (self.ours, self.python))
        said = f"ours: {ours}\npython: {python}"
        assert ours.returncode == python.returncode, said
        assert without_help(ours.stdout) == without_help(python.stdout), said
        assert b"panicked" not in ours.stderr, said
        if b"Traceback" in python.stderr:
            assert ours.stderr.startswith(name.encode() + b": "), said
        else:
            assert last_line(ours.stderr) == last_line(python.stderr), said
        return ours.stdout.decode(errors="surrogateescape")


def without_help(out):
    """The output, but of a help its first line."""
    return out.split(b"\n")[0] if out.startswith(b"Usage: ") else out


def last_line(text):
    """The line that tells what is wrong, below the usage."""
    return text.rstrip().split(b"\n")[-1]
