"""A `swiftlet dev` cluster for tests: started, waited for, killed and started again."""

import itertools
import os
import pathlib
import random
import selectors
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """The swiftlet under test: $SWIFTLET, or the newest release or debug build."""
    named = os.environ.get("SWIFTLET")
    if named:
        return named
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [p for p in target.glob("**/swiftlet") if p.parent.name in ("release", "debug") and p.is_file()]
    if not built:
        raise SystemExit("no swiftlet is built: run `make build` first, or set SWIFTLET")
    return str(max(built, key=lambda p: p.stat().st_mtime))


# Below the range from which Linux takes ports by itself, for connections and for listeners that name none.
_PORTS = itertools.cycle(random.sample(range(12_000, 32_000), 20_000))


def free_port():
    """A loopback port nobody listens on; each call gives another, and no connection takes it meanwhile."""
    while True:
        port = next(_PORTS)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def tail(path, lines=30):
    """The last lines of a file, which need not be there."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


class DevCluster:
    """One `swiftlet dev` process over a data folder that outlives it."""

    def __init__(self, data=None, port=None, manifests=(), log=None, env=None):
        self._own = None if data else tempfile.TemporaryDirectory(prefix="swiftlet-dev-")
        self.data = pathlib.Path(data or self._own.name)
        self.port = port or free_port()
        self.manifests = list(manifests)
        self.log = pathlib.Path(log) if log else self.data.parent / (self.data.name + ".log")
        self.env = dict(os.environ, **(env or {}))
        self.process = None

    @property
    def auth_url(self):
        return f"http://127.0.0.1:{self.port}/auth/v1.0"

    def start(self, timeout_s=60):
        """Starts the process and waits for its ready line."""
        argv = [binary(), "dev", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
        for manifest in self.manifests:
            argv += ["--manifest", str(manifest)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, env=self.env)
        self._await_ready(time.monotonic() + timeout_s)
        return self

    def _await_ready(self, deadline):
        out = self.process.stdout
        os.set_blocking(out.fileno(), False)
        seen = b""
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while b"\nready " not in b"\n" + seen or not seen.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None):
                    self.kill()
                    raise RuntimeError(f"swiftlet dev is not ready; it said {seen!r}; log:\n{self.tail()}")
                if selector.select(min(left, 0.2)):
                    seen += out.read() or b""

    def tail(self, lines=30):
        """The last lines of its log."""
        return tail(self.log, lines)

    def stop(self, timeout_s=60):
        """Ends it as Ctrl-C does."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RuntimeError("swiftlet dev did not end on SIGINT")
        return self.process.returncode if self.process else None

    def kill(self):
        """Ends it as a power cut does."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def rss_kib(self):
        """Its resident memory, in KiB: (now, peak)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        if self._own:
            self._own.cleanup()
