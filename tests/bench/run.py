#!/usr/bin/env python3
"""The same load on Python Swift and on Swiftlet, in one run on one machine: requests a second of each, and the ratio.

usage: run.py [--seconds 12] [--rounds 3] [--only-ours] [--connections 16] [--json FILE]

Machines are noisy: the figure is the median of the rounds, the two programs taking turns, and what counts is the ratio.
Both acknowledge an object only when it is synced; `--check-sync` counts our fdatasync and fsync calls with strace.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.support.dev import ROOT, DevCluster  # noqa: E402

OBJECTS, LISTED = 500, 2000
# name, lua script, arguments after token and path; {..} is a container made by `prepare`
LOADS = [
    ("PUT 4 KiB", "put.lua", "put", ["4096"]),
    ("GET 4 KiB", "read.lua", "small", ["GET", str(OBJECTS)]),
    ("HEAD", None, "small", ["HEAD"]),
    ("GET 1 MiB", "read.lua", "large", ["GET", "20"]),
    ("PUT 1 MiB", "put.lua", "put", [str(1 << 20)]),
    ("listing 1000", "read.lua", "listed", ["GET", "0", "?format=json&limit=1000"]),
]


class Server:
    """Where one of the two listens, and how to speak to it."""

    def __init__(self, name, port):
        self.name, self.port = name, port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
        response = connection.getresponse()
        response.read()
        self.token = response.getheader("X-Auth-Token")
        self.path = "/" + response.getheader("X-Storage-Url").split("/", 3)[3]

    def call(self, method, path, body=b""):
        # a connection of its own: the other server's turns outlast a kept one
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, self.path + path, body, {"X-Auth-Token": self.token})
        response = connection.getresponse()
        data = response.read()
        if response.status // 100 != 2:
            raise RuntimeError(f"{self.name}: {method} {path}: {response.status} {data[:200]!r}")
        return data

    def prepare(self):
        """Fills the containers that the loads read."""
        for container in ("put", "small", "large", "listed"):
            self.call("PUT", f"/{container}")
        for n in range(1, OBJECTS + 1):
            self.call("PUT", f"/small/o{n}", b"x" * 4096)
        for n in range(1, 21):
            self.call("PUT", f"/large/o{n}", os.urandom(1 << 20))
        deadline = time.monotonic() + 180
        while (rows := len(json.loads(self.call("GET", "/listed?format=json")))) < LISTED:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: only {rows} of {LISTED} objects to list")
            self.load("put.lua", "listed", ["0"], 5, 16)

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def load(self, script, container, args, seconds, connections):
        """Requests a second. HEAD goes through hey: wrk waits for the body that Content-Length speaks of."""
        if args == ["HEAD"]:
            return self.load_head(container, seconds, connections)
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", str(HERE / script),
                self.url(), "--", self.token, f"{self.path}/{container}", *args]
        text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        p99 = re.search(r"99%\s+(\S+)", text)
        return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
                "p99": p99.group(1) if p99 else "?", "errors": int(errors.group(1)) if errors else 0}

    def load_head(self, container, seconds, connections):
        """HEAD of one object."""
        argv = ["hey", "-m", "HEAD", "-z", f"{seconds}s", "-c", str(connections), "-H", f"X-Auth-Token: {self.token}",
                f"{self.url()}{self.path}/{container}/o1"]
        text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        p99 = re.search(r"99% in (\S+) secs", text)
        bad = sum(int(n) for code, n in re.findall(r"\[(\d+)\]\s+(\d+) responses", text) if code[0] != "2")
        return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
                "p99": f"{float(p99.group(1)) * 1000:.2f}ms" if p99 else "?", "errors": bad}


def peer_up():
    """Python Swift, four nodes; its proxy on 8080."""
    saio = pathlib.Path(os.environ.get("SAIO", ROOT / "target/peer"))
    env = dict(os.environ, SAIO=str(saio), PROFILE="bench")
    subprocess.run([str(ROOT / "tests/peer/setup.sh")], check=True, env=env)
    subprocess.run([str(saio / "up.sh")], check=True, env=env)
    return lambda: subprocess.run([str(saio / "down.sh"), "--wipe"], check=False, env=env)


def measure(servers, args):
    """Rounds of every load on every server in turn."""
    rows = {}
    for name, script, container, extra in LOADS:
        if args.load and args.load not in name:
            continue
        results = {server.name: [] for server in servers}
        for _ in range(args.rounds):
            for server in servers:
                results[server.name].append(server.load(script, container, extra, args.seconds, args.connections))
        rows[name] = {n: {"rps": statistics.median(r["rps"] for r in rs), "p99": rs[-1]["p99"],
                          "errors": sum(r["errors"] for r in rs)} for n, rs in results.items()}
        print(row(name, rows[name]), flush=True)
    return rows


def row(name, result):
    ours = result["swiftlet"]
    cells = f"{name:<14} swiftlet {ours['rps']:>9.0f}/s  p99 {ours['p99']:>8}  errors {ours['errors']}"
    if "python" in result:
        python = result["python"]
        cells += f"   python {python['rps']:>7.0f}/s  p99 {python['p99']:>8}   {ours['rps'] / max(python['rps'], 0.1):5.1f} times"
    return cells


def check_sync(ours, pid, args):
    """Writes under strace: how many syncs each acknowledged PUT cost."""
    trace = subprocess.Popen(["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", "/dev/stdout", "-p", str(pid)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    time.sleep(1)
    before = time.time()
    puts = ours.load("put.lua", "put", ["4096"], 3, args.connections)["rps"] * (time.time() - before)
    trace.send_signal(2)
    text = trace.communicate(timeout=30)[0]
    syncs = sum(int(m.group(1)) for m in re.finditer(r"\d+\.\d+\s+\S+\s+\d+\s+(\d+)\s+(?:\d+\s+)?f(?:data)?sync", text))
    print(f"about {syncs / max(puts, 1):.1f} syncs a PUT of 3 replicas ({syncs} syncs)")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--check-sync", action="store_true")
    parser.add_argument("--load", help="only loads whose name holds this")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    subprocess.run([str(ROOT / "tests/setup/apt.sh"), "wrk", *(["strace"] if args.check_sync else [])], check=True)
    down = (lambda: None) if args.only_ours else peer_up()
    try:
        with DevCluster() as cluster:
            ours = Server("swiftlet", cluster.port)
            servers = [ours] if args.only_ours else [Server("python", 8080), ours]
            for server in servers:
                server.prepare()
            rows = measure(servers, args)
            if args.check_sync:
                check_sync(ours, cluster.process.pid, args)
            print(f"swiftlet's memory: {cluster.rss_kib()[1] // 1024} MiB at most")
    finally:
        down()
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if any(r["swiftlet"]["errors"] for r in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
