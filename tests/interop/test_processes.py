"""A server as processes: workers, signals, and readiness as swift-init and Swift's probe tests rely on them."""

import http.client
import os
import pathlib
import signal
import subprocess
import time

import pytest

from tests.support.dev import binary, free_port
from tests.support.machine import eventually

CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = {workers}
user = {user}
devices = {root}/srv
mount_check = false
swift_dir = {root}
log_address = {root}/no-log

[pipeline:main]
pipeline = healthcheck object-server
[app:object-server]
use = egg:swift#object
[filter:healthcheck]
use = egg:swift#healthcheck
"""


class Server:
    """swift-object-server by its own name, as swift-init starts it."""

    def __init__(self, root, workers):
        self.port = free_port()
        (root / "srv/d1").mkdir(parents=True)
        (root / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self.conf = root / "object-server.conf"
        self.conf.write_text(CONF.format(port=self.port, workers=workers, user=user, root=root))
        subprocess.run([binary(), "install-links", str(root)], check=True)
        self.program = str(root / "swift-object-server")
        # A session of its own, so that its workers can be ended with it whatever happened.
        self.process = subprocess.Popen([self.program, str(self.conf)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        # Ready is when both are closed.
        self.said = self.process.stdout.read()

    def healthy(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/healthcheck", headers={"Connection": "close"})
        body = connection.getresponse().read()
        connection.close()
        return body == b"OK"

    def children(self):
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, rest = stat.read_text().split(" ", 1)
            except OSError:
                continue
            state, parent = rest.rsplit(")", 1)[1].split()[:2]
            if int(parent) == self.process.pid and state != "Z":
                found.append(int(pid))
        return sorted(found)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def end(self):
        """Ends it and every worker that is left, also of a parent that is gone."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


@pytest.fixture
def server(tmp_path, request):
    running = Server(tmp_path, getattr(request, "param", 2))
    try:
        assert running.said == b""
        yield running
    finally:
        running.end()


@pytest.mark.parametrize(("server", "children"), [("0", 0), ("2", 2), ("auto", 1)], indirect=["server"])
def test_as_many_children_as_workers_says(server, children):
    assert server.healthy()
    assert len(server.children()) == children
    command = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert b"swift-object-server" in command


def test_term_ends_parent_and_children(server):
    children = server.children()
    server.signal(signal.SIGTERM)
    assert server.process.wait(15) == 0
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children))


def test_a_dead_worker_is_replaced(server):
    first = server.children()
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: len(server.children()) == 2 and server.children() != first)
    assert server.healthy()


def test_hup_lets_running_requests_finish(server):
    busy = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    busy.putrequest("PUT", "/d1/0/a/c/o")
    for name, value in {"Content-Length": 4, "X-Timestamp": "1700000000.00000", "Content-Type": "text/plain"}.items():
        busy.putheader(name, value)
    busy.endheaders(b"ab")
    time.sleep(0.3)
    children = server.children()
    server.signal(signal.SIGHUP)
    assert server.process.wait(10) == 0
    with pytest.raises(OSError):
        server.healthy()
    busy.send(b"cd")
    assert busy.getresponse().status == 201
    busy.close()
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children))


def test_usr1_starts_anew_under_the_same_pid_without_a_gap(server):
    first = server.children()
    server.signal(signal.SIGUSR1)
    deadline = time.monotonic() + 60
    while set(server.children()) & set(first):
        assert server.healthy()
        assert time.monotonic() < deadline
    assert server.process.poll() is None and server.healthy()
    eventually(lambda: len(server.children()) == 2)


def test_bad_configuration_is_one_line_and_exit_code_1(tmp_path):
    conf = tmp_path / "object-server.conf"
    conf.write_text("[DEFAULT]\n[pipeline:main]\npipeline = object-server\n[app:object-server]\nuse = egg:swift#object\n")
    done = subprocess.run([binary(), "object-server", str(conf), "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bind_port wasn't properly set" in done.stdout and done.stdout.count("\n") == 1
