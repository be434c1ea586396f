"""What test_process_tools.py does in namespaces of its own, where processes and Swift's folders are nobody else's: a Swift
all in one is started, used, reloaded and stopped by our swift-init, and what it lost sight of is found."""

import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

RUN = pathlib.Path("/var/run/swift")
SERVERS = ["proxy-server", *(f"{kind}-server/{n}" for kind in ("account", "container", "object") for n in range(1, 5))]


def call(*command, code=0):
    """Runs a command; what it said. Its exit code must be that."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, (command, done)
    return done.stdout


def request(method, url, body=None, headers=None):
    """The answer and its headers; asked again after a 503, as every client of Swift does."""
    asked = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    for pause_s in (1, 2, 4, None):
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            if error.code != 503 or pause_s is None:
                raise
            time.sleep(pause_s)


def await_listener(port):
    """Until something on this machine takes connections at the port."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def pid_files():
    """The pid files there are, without their endings."""
    return sorted(str(path.relative_to(RUN).with_suffix("")) for path in RUN.rglob("*.pid"))


def main():
    # Where the configuration has tokens kept; it ends with the machine.
    subprocess.Popen(["memcached", "-l", "127.0.0.1", "-p", "11211", "-u", "root"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_listener(11211)
    started = call("swift-init", "main", "start")
    assert len(re.findall("^Starting ", started, re.M)) == len(SERVERS), started
    assert pid_files() == sorted(SERVERS)
    login = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
    _, said = request("GET", "http://127.0.0.1:8080/auth/v1.0", headers=login)
    url, token = said["X-Storage-Url"] + "/c", {"X-Auth-Token": said["X-Auth-Token"]}
    request("PUT", url, headers=token)
    request("PUT", url + "/o", b"written", token)

    # The same pid takes over, and nobody notices.
    proxy = (RUN / "proxy-server.pid").read_text()
    call("swift-reload", proxy)
    call("swift-init", "main", "reload-seamless")
    assert request("GET", url + "/o", headers=token)[0] == b"written"
    assert (RUN / "proxy-server.pid").read_text() == proxy

    # Daemons: one pass, then on and on.
    once = call("swift-init", "object-auditor", "container-updater", "once")
    assert len(re.findall("^Running ", once, re.M)) == 8, once
    daemons = call("swift-init", "rest", "start")
    assert call("swift-init", "object-auditor.1", "status").startswith("object-auditor running (")
    expected = len(SERVERS) + len(re.findall("^Starting ", daemons, re.M))
    assert len(pid_files()) == expected, (daemons, pid_files())

    # A process that no pid file knows any longer.
    assert call("swift-orphans", "-a", "0") == ""
    (RUN / "object-updater/1.pid").unlink()
    lost = call("swift-orphans", "-a", "0")
    assert [line.split()[2:] for line in lost.splitlines()[1:]] == [["object-updater", "/etc/swift/object-server/1.conf"]], lost
    assert "Sending processes TERM (15) signal...Done." in call("swift-orphans", "-a", "0", "-k", "TERM")
    deadline = time.monotonic() + 60
    while call("swift-orphans", "-a", "0"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(call("swift-oldies", "-a", "0", "-p").split()) >= expected - 1
    assert call("swift-oldies") == ""

    stopped = call("swift-init", "all", "stop")
    assert stopped.count("appears to have stopped") == expected - 1, stopped
    assert pid_files() == []
    assert " running (" not in call("swift-init", "all", "status", code=1)
    assert call("swift-oldies", "-a", "0") == ""


main()
