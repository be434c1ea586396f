#!/usr/bin/env python3
"""How fast an emptied device is whole again, and what a pass costs that finds nothing to do: our object servers and
replicators, then Python Swift's, on the same data (root: network and mount namespaces of its own).

usage: heal.py [--objects 10000] [--size 4096] [--large 0] [--concurrency 4] [--only ours|python] [--method ssync|rsync]

Four nodes of one device, three replicas. The device of the fourth is emptied, and the replicators of the others make one
pass; for the other side it is emptied again. Python's replicator uses rsync unless told otherwise, its default; ours
SSYNC, as in pods. Concurrency 0 leaves both at what they have without the option. Large objects have 4 MiB. All data lies
below $TMPDIR.
"""

import argparse
import contextlib
import http.client
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.support.dev import ROOT, binary  # noqa: E402

VENV = pathlib.Path(os.environ.get("SWIFT_VENV", ROOT / "target/venv")).resolve()
OWN_NAMESPACES = "HEAL_OWN_NAMESPACES"
NODES = (1, 2, 3, 4)
EMPTIED = 4
CLIENTS = 12
METHODS = {"ours": "ssync", "python": "rsync"}
LARGE_SIZE = 4 << 20
CONF = """[DEFAULT]
devices = {node}
mount_check = false
bind_ip = 127.0.0.{n}
bind_port = 62{n}0
user = root
workers = 1
fallocate_reserve = 0
recon_cache_path = {node}/recon
[pipeline:main]
pipeline = object-server
[app:object-server]
use = egg:swift#object
replication_concurrency_per_device = 8
replication_concurrency = 16
[object-replicator]
sync_method = {method}
rsync_module = {{replication_ip}}::object{{replication_port}}
{concurrency}
"""
RSYNCD = "uid = root\ngid = root\nuse chroot = no\naddress = 0.0.0.0\npid file = {root}/rsyncd.pid\n"
MODULE = "[object62{n}0]\npath = {node}\nread only = false\nmax connections = 25\nlock file = {root}/rsync{n}.lock\n"


def in_own_namespaces():
    """Starts this program again where /etc/swift and all ports are its own."""
    os.makedirs("/etc/swift", exist_ok=True)
    argv = ["unshare", "--net", "--mount", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv]
    os.execvpe(argv[0], argv, dict(os.environ, **{OWN_NAMESPACES: "1"}))


class Cluster:
    """Four object servers, and programs to start beside them."""

    def __init__(self, who, method, concurrency, root):
        self.root = root
        self.bin = VENV / "bin" if who == "python" else root / "bin"
        if who == "ours":
            self.bin.mkdir()
            subprocess.run([binary(), "install-links", str(self.bin)], check=True, stdout=subprocess.DEVNULL)
        self.log = open(root / "log", "a")
        self.servers = []
        etc = root / "etc"
        etc.mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", str(etc), "/etc/swift"], check=True)
        (etc / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = heal\n")
        self._make_rings()
        modules = RSYNCD.format(root=root)
        for n in NODES:
            node = self.node(n)
            (node / f"sd{n}/objects").mkdir(parents=True, exist_ok=True)
            (node / "recon").mkdir(exist_ok=True)
            option = f"concurrency = {concurrency}" if concurrency else ""
            (etc / f"{n}.conf").write_text(CONF.format(node=node, n=n, method=method, concurrency=option))
            modules += MODULE.format(node=node, n=n, root=root)
        (root / "rsyncd.conf").write_text(modules)

    def node(self, n):
        return self.root / f"node{n}"

    def objects_of(self, n):
        return self.node(n) / f"sd{n}/objects"

    def _make_rings(self):
        if os.path.exists("/etc/swift/object.ring.gz"):
            return
        builder = [str(VENV / "bin/swift-ring-builder"), "/etc/swift/object.builder"]
        commands = [["create", "10", "3", "0"]]
        commands += [["add", f"r1z{n}-127.0.0.{n}:62{n}0/sd{n}", "1"] for n in NODES]
        for command in [*commands, ["rebalance", "7"]]:
            subprocess.run(builder + command, check=True, stdout=subprocess.DEVNULL)

    def _start(self, argv):
        return subprocess.Popen([str(arg) for arg in argv], stdout=self.log, stderr=self.log)

    def __enter__(self):
        rsyncd = ["rsync", "--daemon", "--no-detach", f"--config={self.root}/rsyncd.conf"]
        self.servers = [self._start(rsyncd)]
        self.servers += [self._start([self.bin / "swift-object-server", f"/etc/swift/{n}.conf", "-v"]) for n in NODES]
        time.sleep(4)
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait()
        subprocess.run(["umount", "/etc/swift"], check=True)

    def fill(self, args):
        """Puts each object to its nodes, some at once."""
        asked = [str(VENV / "bin/python"), "-c", PLACES, str(args.objects + args.large)]
        places = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
        bodies = b"x" * args.size, b"x" * LARGE_SIZE

        def put(mine):
            connections = {}
            for line in mine:
                name, part, *nodes = line.split()
                for node in nodes:
                    host, device = node.split("/")
                    connection = connections.setdefault(host, http.client.HTTPConnection(host))
                    body = bodies[int(name) >= args.objects]
                    headers = {"X-Timestamp": f"1700000000.{int(name) % 100000:05}", "Content-Type": "a/b"}
                    connection.request("PUT", f"/{device}/{part}/a/c/o{name}", body, headers)
                    answer = connection.getresponse()
                    answer.read()
                    assert answer.status == 201, answer.status

        threads = [threading.Thread(target=put, args=(places[k::CLIENTS],)) for k in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def count(self, n):
        return sum(name.endswith(".data") for _, _, names in os.walk(self.objects_of(n)) for name in names)

    def replicate(self, nodes):
        """One pass of the replicators of `nodes`: seconds, and seconds of CPU with the servers'."""
        servers = sum(cpu_s(server.pid) for server in self.servers)
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        running = [self._start([self.bin / "swift-object-replicator", f"/etc/swift/{n}.conf", "once", "-v"]) for n in nodes]
        for replicator in running:
            if replicator.wait() != 0:
                raise RuntimeError(f"a replicator failed, see {self.root}/log")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return time.monotonic() - begun, own + sum(cpu_s(server.pid) for server in self.servers) - servers


def cpu_s(pid):
    """Seconds of CPU of a process and of its children that run."""
    total, left = 0, [pid]
    while left:
        pid = left.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15])
            left += pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return total / os.sysconf("SC_CLK_TCK")


PLACES = """
import sys
from swift.common.ring import Ring
ring = Ring("/etc/swift", ring_name="object")
for n in range(int(sys.argv[1])):
    part, nodes = ring.get_nodes("a", "c", "o%d" % n)
    print(n, part, *("%(ip)s:%(port)s/%(device)s" % node for node in nodes))
"""


def measure(cluster, who, method, args):
    """Figures of one side: objects a second, seconds of CPU to heal, then seconds and seconds of CPU of an idle pass."""
    cluster.replicate(NODES)
    idle = cluster.replicate(NODES)
    had = cluster.count(EMPTIED)
    shutil.rmtree(cluster.objects_of(EMPTIED))
    cluster.objects_of(EMPTIED).mkdir()
    os.sync()
    healed = cluster.replicate([n for n in NODES if n != EMPTIED])
    back = cluster.count(EMPTIED)
    print(f"{who} ({method}): {back} of {had} objects back in {healed[0]:.1f} s, {back / healed[0]:.0f} a "
          f"second, {healed[1]:.1f} s of CPU; idle pass over {3 * (args.objects + args.large)} files {idle[0]:.1f} s, "
          f"{idle[1]:.1f} s of CPU", flush=True)
    return back / healed[0], healed[1] / max(back, 1), *idle, back == had


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--large", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--only", choices=METHODS)
    parser.add_argument("--method", choices=["ssync", "rsync"])
    args = parser.parse_args()
    if OWN_NAMESPACES not in os.environ:
        in_own_namespaces()
    print(f"{args.objects} objects of {args.size} bytes and {args.large} of {LARGE_SIZE}, 3 replicas on 4 devices; concurrency "
          f"{args.concurrency or 'of each one by default'}", flush=True)
    figures = {}
    with tempfile.TemporaryDirectory(prefix="swiftlet-heal-") as folder:
        for who in [args.only] if args.only else METHODS:
            method = args.method or METHODS[who]
            with Cluster(who, method, args.concurrency, pathlib.Path(folder)) as cluster:
                if not figures:
                    cluster.fill(args)
                figures[who] = measure(cluster, who, method, args)
    if len(figures) == 2:
        ours, python = figures["ours"], figures["python"]
        print(f"ours beside Python's: {ours[0] / python[0]:.1f} times as fast, {python[1] / ours[1]:.1f} times less CPU an object; "
              f"idle pass {python[2] / ours[2]:.1f} times as fast, {python[3] / ours[3]:.1f} times less CPU")
    return 0 if all(figure[-1] for figure in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
