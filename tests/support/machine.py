"""A machine of its own for tests of tools that work on processes: mount, network and process namespaces with Swift's own
folders, ports and pids, in which nobody else's processes are seen."""

import os
import pathlib
import subprocess
import sys
import time

# The first process inside: orphans are its children, and reaped as they end.
INIT = "import signal, time; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print('up', flush=True); time.sleep(1e6)"
SETUP = """
set -e
mount --make-rprivate /
ip link set lo up
mount --bind "$HOME_DIR/etc" /etc/swift
mount --bind "$HOME_DIR/run" /var/run/swift
exec "$PYTHON" -c "$INIT"
"""


class Machine:
    """Namespaces in which /etc/swift is `<path>/etc` and /var/run/swift is `<path>/run`. Needs root."""

    def __init__(self, path, programs):
        assert os.geteuid() == 0, "a machine of its own is made of namespaces and mounts: run this test as root"
        self.path, self.programs = path, programs
        for folder in (path / "etc", path / "run", pathlib.Path("/etc/swift"), pathlib.Path("/var/run/swift")):
            folder.mkdir(parents=True, exist_ok=True)
        self._holder = None

    def __enter__(self):
        env = dict(os.environ, HOME_DIR=str(self.path), PYTHON=sys.executable, INIT=INIT)
        isolated = ["unshare", "-m", "-n", "-p", "--fork", "--mount-proc", "--kill-child", "bash", "-c", SETUP]
        self._holder = subprocess.Popen(isolated, env=env, stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b"up\n"
        children = pathlib.Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._first = children.read_text().split()[0]
        return self

    def __exit__(self, *_):
        # The first process takes all others with it.
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()

    def command(self, *command):
        """A command line that runs a command inside."""
        path = f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", "-t", self._first, "-m", "-n", "-p", "env", f"PATH={path}", *map(str, command)]

    def run(self, *command):
        """Runs a command inside; the finished process."""
        return subprocess.run(self.command(*command), capture_output=True, timeout=120, check=False, cwd="/")


def eventually(condition, seconds=60):
    """Waits for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
