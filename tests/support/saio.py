"""Swift all in one: four nodes on loopback addresses of a namespace of our own (root), the programs of each node Python
Swift's or ours, all on the same configuration, rings and device folders.

The programs run below /etc/swift as everywhere; each node, and each proxy, has a folder of its own for its rings, so that
they can be of different ages.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from tests.support.dev import ROOT, binary, tail

VENV = pathlib.Path(os.environ.get("SWIFT_VENV", ROOT / "target/venv")).resolve()
ETC = pathlib.Path("/etc/swift")
NODES = (1, 2, 3, 4)
SERVERS = {"object": 0, "container": 1, "account": 2}
# The proxies of both sides may run at once.
PROXY_PORT = {"ours": 8080, "python": 8081}
# A server takes what the replicators of all nodes may send it at once.
SYNC_FROM_ALL = "[app:object-server]\nreplication_concurrency = 16\nreplication_concurrency_per_device = 8\n"
HOME = "SAIO_HOME"
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
INSIDE = 'ip link set lo up && mount --make-rprivate / && mount --bind "$SAIO_HOME/etc" /etc/swift && exec "$@"'


def in_own_namespaces():
    """Runs this program again where /etc/swift, all ports and all processes are its own, by the Python that has Swift:
    what lies on devices is judged by Swift's own reading of it. Ends with that run's outcome; returns in it."""
    if HOME in os.environ:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"{sys.argv[0]} makes namespaces: run it as root")
    if not (VENV / "bin/swift-object-server").exists():
        raise SystemExit(f"no Python Swift at {VENV}: run tests/setup/swift.sh, or set SWIFT_VENV")
    ETC.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="swiftlet-saio-", dir=os.environ.get("SAIO_TMP")) as home:
        (pathlib.Path(home) / "etc").mkdir()
        argv = [*NAMESPACES, "sh", "-c", INSIDE, "sh", str(VENV / "bin/python"), *sys.argv]
        # Otherwise every Python process imports a resolver for 0.2 s, and only addresses are used here.
        env = dict(os.environ, EVENTLET_NO_GREENDNS="yes", **{HOME: home})
        raise SystemExit(subprocess.run(argv, env=env, check=False).returncode)


class Saio:
    """The cluster: `who` names by node whose programs it runs, "ours" or "python". Use it as a context. A client may say
    when its requests happened where `clients_have_clocks`."""

    def __init__(self, who=None, sync_method="ssync", proxies=("ours",), clients_have_clocks=False):
        self.home = pathlib.Path(os.environ[HOME])
        self.who = dict(who or {n: "ours" for n in NODES})
        self.proxies, self.sync_method = proxies, sync_method
        self.clients_have_clocks, self.running = clients_have_clocks, {}
        self.bin = {"python": VENV / "bin", "ours": self.home / "bin"}
        for folder in (self.home / "log", self.bin["ours"]):
            folder.mkdir(exist_ok=True)
        subprocess.run([binary(), "install-links", str(self.bin["ours"])], check=True, stdout=subprocess.DEVNULL)

    def srv(self, n):
        """Node n's folder of devices."""
        return self.home / f"srv/{n}/node"

    def device_paths(self):
        """Every device: (node, path)."""
        return [(n, path) for n in NODES for path in sorted(self.srv(n).iterdir()) if path.is_dir()]

    def empty(self):
        """All devices as new; nothing may be running."""
        shutil.rmtree(self.home / "srv", ignore_errors=True)
        shutil.rmtree(self.home / "cache", ignore_errors=True)
        for n in NODES:
            (self.home / f"cache/{n}").mkdir(parents=True)
            for device in (n, n + 4):
                (self.srv(n) / f"sdb{device}").mkdir(parents=True)

    def configure(self):
        """Configuration and rings, both as new."""
        env = dict(os.environ, SAIO=str(self.home), ETC=str(ETC), PROFILE="probe", PROXY_WORKERS="1",
                   RING_BUILDER=str(self.bin["ours"] / "swift-ring-builder"))
        for program in (["gen_conf.py"], ["remakerings.sh"]):
            subprocess.run([str(ROOT / "tests/peer" / program[0])], check=True, env=env, stdout=subprocess.DEVNULL)
        for n in NODES:
            for server in SERVERS:
                edit(ETC / f"{server}-server/{n}.conf", {
                    f"swift_dir = {ETC}\n": f"swift_dir = {ETC}/node{n}\n",
                    "[app:object-server]\n": SYNC_FROM_ALL,
                    "[object-replicator]\n": f"[object-replicator]\nsync_method = {self.sync_method}\nconcurrency = 4\n"})
        shunt = f"egg:swift#gatekeeper\nshunt_inbound_x_timestamp = {not self.clients_have_clocks}\n"
        edit(ETC / "proxy-server.conf", {f"swift_dir = {ETC}\n": f"swift_dir = {ETC}/proxy\n",
                                         "egg:swift#gatekeeper\n": shunt, "= example.net\n": "= example.com\n"})
        proxy = (ETC / "proxy-server.conf").read_text()
        for side, port in PROXY_PORT.items():
            (ETC / f"proxy-{side}.conf").write_text(proxy.replace("bind_port = 8080", f"bind_port = {port}"))
        self.publish_rings()

    def ring(self, *commands, builders=("object", "container", "account")):
        """Applies ring builder commands to those rings; nobody sees the new rings before they are published."""
        for name in builders:
            for command in commands:
                argv = [self.bin["ours"] / "swift-ring-builder", ETC / f"{name}.builder", *command]
                # 1 says no more than that a rebalance had a remark to make.
                if subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode > 1:
                    raise RuntimeError(f"ring builder: {name} {command}")

    def publish_rings(self, holders=(*(f"node{n}" for n in NODES), "proxy")):
        """Gives those the rings as they are now."""
        for holder in holders:
            folder = ETC / holder
            folder.mkdir(exist_ok=True)
            for path in [*ETC.glob("*.ring.gz"), ETC / "swift.conf", ETC / "container-sync-realms.conf"]:
                shutil.copy(path, folder / f".{path.name}")
                (folder / f".{path.name}").rename(folder / path.name)

    def _start(self, name, argv):
        log = open(self.home / f"log/{name}.log", "ab")  # noqa: SIM115: the child's
        with log:
            self.running[name] = subprocess.Popen([str(arg) for arg in argv], stdout=log, stderr=log, start_new_session=True)

    def start_node(self, n, servers=tuple(SERVERS)):
        for server in servers:
            program = self.bin[self.who[n]] / f"swift-{server}-server"
            self._start(f"{server}-{n}", [program, ETC / f"{server}-server/{n}.conf", "-v"])
        for server in servers:
            await_health(f"127.0.0.{n}:62{n}{SERVERS[server]}", self)

    def stop(self, name, end=signal.SIGKILL):
        """Ends what runs by that name, with its workers."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, end)
        process.wait()

    def stop_node(self, n, end=signal.SIGKILL):
        for server in SERVERS:
            self.stop(f"{server}-{n}", end)

    def change_node(self, n, who):
        """Another side's programs in place of a node's, on the same devices."""
        self.stop_node(n, signal.SIGTERM)
        self.who[n] = who
        self.start_node(n)

    def start_proxy(self, who):
        self._start(f"proxy-{who}", [self.bin[who] / "swift-proxy-server", ETC / f"proxy-{who}.conf", "-v"])
        await_health(f"127.0.0.1:{PROXY_PORT[who]}", self)

    def once(self, daemon, nodes=NODES, *args, patience_s=900):
        """One pass of a daemon of those nodes, all at the same time; seconds."""
        begun = time.monotonic()
        names = [f"{daemon}-{n}" for n in nodes]
        for n, name in zip(nodes, names):
            self._start(name, [self.bin[self.who[n]] / f"swift-{daemon}", configuration(daemon, n), "once", "-v", *args])
        for name in names:
            code = self.running[name].wait(patience_s)
            del self.running[name]
            if code != 0:
                raise RuntimeError(f"{name} ended with {code}:\n{self.tail(name)}")
        return time.monotonic() - begun

    def start_daemon(self, daemon, n):
        """A daemon of a node that goes on; the name to stop it by."""
        name = f"{daemon}-{n}"
        self._start(name, [self.bin[self.who[n]] / f"swift-{daemon}", configuration(daemon, n), "-v"])
        return name

    def tail(self, name, lines=30):
        """The end of what a program said."""
        return tail(self.home / f"log/{name}.log", lines)

    def keep_logs(self, name):
        """Leaves the logs of a run that went wrong in target/<name>."""
        folder = ROOT / "target" / name
        shutil.copytree(self.home / "log", folder, dirs_exist_ok=True)
        print(f"logs: {folder}", flush=True)

    def __enter__(self):
        self.empty()
        self.configure()
        home = self.home
        self._start("rsyslogd", ["rsyslogd", "-n", "-f", ETC / "rsyslog.conf", "-i", home / "run/rsyslogd.pid"])
        self._start("memcached", ["memcached", "-l", "127.0.0.1", "-p", "11211", "-u", "root", "-m", "64", "-c", "4096"])
        self._start("rsyncd", ["rsync", "--daemon", "--no-detach", f"--config={ETC}/rsyncd.conf"])
        for n in NODES:
            self.start_node(n)
        for who in self.proxies:
            self.start_proxy(who)
        return self

    def __exit__(self, *_):
        for name in list(self.running):
            self.stop(name)


def configuration(daemon, n):
    """The file that a daemon of node n reads."""
    own = ETC / f"{daemon}.conf"
    return own if own.exists() else ETC / f"{daemon.split('-', 1)[0]}-server/{n}.conf"


def edit(path, replacements):
    """Replaces text in a file."""
    text = path.read_text()
    for old, new in replacements.items():
        text = text.replace(old, new)
    path.write_text(text)


def await_health(address, saio, patience_s=60):
    """Waits until a server answers."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            urllib.request.urlopen(f"http://{address}/healthcheck", timeout=5).read()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                said = "\n".join(saio.tail(name, 5) for name in saio.running)
                raise RuntimeError(f"{address} does not answer: {error}\n{said}") from error
            time.sleep(0.1)
