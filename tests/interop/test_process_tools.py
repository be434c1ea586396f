"""swift-init and the other tools that work on processes: Python's and ours, told the same, say and do the same, to our
servers and to Python's."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.auth import links
from tests.support.dev import ROOT
from tests.support.machine import Machine, eventually
from tests.support.tools import VENV, Tools, without_help

SERVER = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 1
user = root
devices = {srv}
mount_check = false
log_address = {srv}/no-log
recon_cache_path = {srv}
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
[object-auditor]
"""


def machine(path, programs):
    """Two object servers and an account server, of ours or of Python's."""
    (path / "srv/d1").mkdir(parents=True)
    ours = links(path / "bin")
    made = Machine(path, ours if programs == "ours" else VENV / "bin")
    (path / "etc/object-server").mkdir()
    (path / "etc/swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    for kind, conf, port in (("object", "object-server/1", 6210), ("object", "object-server/2", 6220), ("account", "account-server", 6212)):
        (path / f"etc/{conf}.conf").write_text(SERVER.format(port=port, srv=path / "srv", kind=kind))
    made.tools = {"ours": ours, "python": VENV / "bin"}
    return made


def said_by(machine, tool, name, *arguments):
    """Runs a tool, Python's or ours; its exit code, and its lines without pids, in any order: Python's servers are a set."""
    done = machine.run(machine.tools[tool] / name, *arguments)
    assert b"Traceback" not in done.stderr and b"panicked" not in done.stderr, done
    said = without_help(done.stdout).decode()
    said = re.sub(r"\(\d+", "(PID", re.sub(r"pid: \d+", "pid: PID", said))
    return done.returncode, sorted(line for line in said.splitlines() if "Unable to modify" not in line)


def pid_files(machine):
    """The pid files there are."""
    return sorted(str(path.relative_to(machine.path)) for path in (machine.path / "run").rglob("*") if path.is_file())


CALLS = """
object status
object start
object start
object.1 status
object status -c 2
object status -c 3 -v
object.1 stop
object status
object status -c 1
object.1 start
object restart
object reload-seamless
object reload
object force-reload
object.2 reload -c 2
object status -v
object shutdown
object stop
object kill
object start -c 2
object stop -g
object-server.1 start -w
object-server stop --kill-wait 5 --kill-after-timeout
object no-wait
object stop -r /no/such/folder
object status --run-dir /no/such/folder
object stop
object-auditor once
object-auditor.2 once
main start
main start --strict
main status
all status
rest status -v
rest stop
start account
account stop
account.x start
container start
container start --non-strict
object-* status
*-server stop
no-such start
no-such* start
main beginn
main
start
object stop -k x
object stop -x
""".strip().splitlines()


ATTEMPTS = 4


@pytest.mark.parametrize("programs", ["ours", "python"])
def test_swift_init_says_and_does_what_pythons_does(tmp_path, programs):
    """How soon a server that was told to end is gone decides what either tool sees: where they saw different things, both
    begin with servers that run, and are called again."""
    with machine(tmp_path / "ours", programs) as ours, machine(tmp_path / "python", programs) as python, ThreadPoolExecutor() as pool:
        def both(*call):
            answers = pool.map(lambda on, tool: said_by(on, tool, "swift-init", *call), (ours, python), ("ours", "python"))
            return list(zip(answers, map(pid_files, (ours, python))))

        for call in CALLS:
            told = both(*call.split())
            for _ in range(1, ATTEMPTS):
                if told[0] == told[1]:
                    break
                both("object", "stop")
                both("object", "start")
                told = both(*call.split())
            assert told[0] == told[1], call


@pytest.mark.parametrize("programs", ["ours", "python"])
def test_no_daemon_shows_the_log_until_it_is_interrupted(tmp_path, programs):
    with machine(tmp_path / "home", programs) as on, open(tmp_path / "said", "w+b") as said:
        init = f"echo $$ >{tmp_path}/pid; exec {on.tools['ours']}/swift-init account no-daemon"
        running = subprocess.Popen(on.command("sh", "-c", init), stdout=said, stderr=said, cwd="/")
        ask = "import http.client as h; c = h.HTTPConnection('127.0.0.1', 6212); c.request('HEAD', '/d1/0/nobody'); c.getresponse()"
        eventually(lambda: on.run(sys.executable, "-c", ask).returncode == 0)
        eventually(lambda: b"HEAD /d1/0/nobody" in (tmp_path / "said").read_bytes())
        on.run("kill", "-INT", (tmp_path / "pid").read_text().strip())
        assert running.wait(30) == 0
        shown = (tmp_path / "said").read_text()
        assert "user quit" in shown and "appears to have stopped" in shown, shown


@pytest.mark.parametrize("tool", ["ours", "python"])
@pytest.mark.parametrize("programs", ["ours", "python"])
def test_swift_reload(tmp_path, programs, tool):
    with machine(tmp_path / "home", programs) as on:
        assert said_by(on, "ours", "swift-init", "account", "start")[0] == 0
        pid = (on.path / "run/account-server.pid").read_text()
        expected = ["Checking config for swift-account-server", "Process is READY", "Process is RELOADING",
                    "Reloaded swift-account-server", "Sending USR1 signal"]
        assert said_by(on, tool, "swift-reload", "-v", pid) == (0, expected)
        assert said_by(on, "ours", "swift-init", "account", "status")[0] == 0
        assert (on.path / "run/account-server.pid").read_text() == pid
        conf = on.path / "etc/account-server.conf"
        conf.write_text(conf.read_text().replace("bind_port", "no_port"))
        assert said_by(on, tool, "swift-reload", pid)[0] == 1, "the configuration is wrong"
        assert said_by(on, "ours", "swift-init", "account", "status")[0] == 0


@pytest.mark.parametrize("arguments", [(), ("x",), ("1", "-w", "-t", "3"), (str(os.getpid()),), ("999999999",)], ids=repr)
def test_mistakes_of_swift_reload(tmp_path, arguments):
    tools = Tools(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    assert tools.ours("swift-reload", *arguments).returncode == 2
    assert tools.python("swift-reload", *arguments).returncode == 2


CONFIG = """[DEFAULT]
user = swift
node_timeout = 3
client_timeout = 5
[pipeline:main]
pipeline = catch proxy-logging tempauth proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
set node_timeout = 11
conn_timeout = %(client_timeout)s
[filter:catch]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
user = other
[filter:tempauth]
use = egg:swift#tempauth
user_a_b = c .admin
"""


def sections(said):
    """What swift-config shows: sections in order, each's options in any."""
    return [sorted(section.splitlines()) for section in said.split("\n\n")]


@pytest.mark.parametrize(
    "arguments",
    [("FILE",), ("FILE", "-w"), ("FILE", "FILE", "-s", "filter:tempauth"), ("-w", "-s", "filter:catch", "FILE"), ("proxy",),
     ("object", "-c", "2"), ("object", "-c", "9"), ("container",), (), ("-c", "x", "proxy")],
    ids=" ".join,
)
def test_swift_config(tmp_path, monkeypatch, arguments):
    etc = machine(tmp_path, "ours").path / "etc"
    (etc / "proxy-server.conf").write_text(CONFIG)
    arguments = [str(etc / "proxy-server.conf") if word == "FILE" else word for word in arguments]
    monkeypatch.setenv("SWIFT_DIR", str(etc))
    tools = Tools(tmp_path)
    ours, python = tools.ours("swift-config", *arguments), tools.python("swift-config", *arguments)
    assert (ours.returncode, sections(ours.stdout.decode())) == (python.returncode, sections(python.stdout.decode()))
    assert ours.stderr.split(b"\n")[-2:] == python.stderr.split(b"\n")[-2:]


def test_a_swift_all_in_one_is_run_by_swift_init(tmp_path):
    subprocess.run([ROOT / "tests/setup/apt.sh", "memcached"], check=True)
    with Machine(tmp_path, links(tmp_path / "bin")) as on:
        for n in range(1, 5):
            for folder in (f"srv/{n}/node/sdb{n}", f"srv/{n}/node/sdb{n + 4}", f"cache/{n}"):
                (tmp_path / folder).mkdir(parents=True)
        settings = [f"SAIO={tmp_path}", "ETC=/etc/swift", "PROFILE=probe", f"RING_BUILDER={tmp_path}/bin/swift-ring-builder"]
        for command in ([sys.executable, ROOT / "tests/peer/gen_conf.py"], [ROOT / "tests/peer/remakerings.sh"],
                        [sys.executable, ROOT / "tests/interop/saio_init.py"]):
            done = on.run("env", *settings, *command)
            assert done.returncode == 0, (done.stdout[-5000:] + done.stderr[-5000:]).decode()
