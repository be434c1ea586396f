#!/usr/bin/env python3
"""kill -9 of a whole `swiftlet dev` at random instants under a PUT/DELETE load, then a look at every object.

usage: kill9.py [--kills 200] [--seed N] [--workers 8] [--strict-listing]

Each worker owns its keys, so the order of its writes is known. What a key may read as afterwards is what was last
acknowledged, or what was tried after that and got no answer. Read with X-Newest, after every restart; at the end
the updaters run and the listing must agree with the objects.
"""

import argparse
import hashlib
import http.client
import json
import pathlib
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.support.dev import DevCluster, binary  # noqa: E402

CONTAINER = "chaos"
KEYS_A_WORKER = 25
SIZES = [0, 1, 700, 4096, 65536, 65537, 300_000]


def payload(key, sequence, size):
    """The bytes of one write: they name themselves, so a mix of two is seen."""
    seed = hashlib.md5(f"{key}:{sequence}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


class Worker(threading.Thread):
    """Writes and deletes its own keys until told to stop or the server dies."""

    def __init__(self, number, cluster, token, path, rng):
        super().__init__(daemon=True)
        self.number, self.cluster, self.token, self.path, self.rng = number, cluster, token, path, rng
        # Per key: every state it may be in; None is "not there", otherwise the MD5 of the bytes.
        self.may_be = {f"w{number}-{i}": {None} for i in range(KEYS_A_WORKER)}
        self.sequence, self.acknowledged, self.touched = 0, 0, set()
        # Keys whose last write got no answer: the listing may not have heard of it.
        self.unanswered = set()
        self.stopping = threading.Event()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.cluster.port, timeout=20)
        try:
            while not self.stopping.is_set():
                self.one(connection)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def one(self, connection):
        key = self.rng.choice(list(self.may_be))
        self.sequence += 1
        delete = self.rng.random() < 0.3
        body = b"" if delete else payload(key, self.sequence, self.rng.choice(SIZES))
        state = None if delete else hashlib.md5(body).hexdigest()
        self.touched.add(key)
        self.unanswered.add(key)
        self.may_be[key].add(state)
        headers = {"X-Auth-Token": self.token}
        connection.request("DELETE" if delete else "PUT", f"{self.path}/{CONTAINER}/{key}", body, headers)
        response = connection.getresponse()
        response.read()
        if response.status in (201, 204):
            self.may_be[key] = {state}
            self.unanswered.discard(key)
            self.acknowledged += 1
        elif response.status == 404 and delete:
            if None not in self.may_be[key]:
                raise AssertionError(f"{key}: DELETE says 404, it should be {self.may_be[key]}")
            self.may_be[key] = {None}
            self.unanswered.discard(key)


def authenticate(cluster):
    """Token and account path of test:tester."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=20)
    connection.request("GET", "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
    response = connection.getresponse()
    response.read()
    url = response.getheader("X-Storage-Url")
    return response.getheader("X-Auth-Token"), "/" + url.split("/", 3)[3]


def check(cluster, token, path, workers, only_touched=True):
    """Reads keys with X-Newest; the wrong ones, as text."""
    wrong = []
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=60)
    for worker in workers:
        for key in sorted(worker.touched if only_touched else worker.may_be):
            connection.request("GET", f"{path}/{CONTAINER}/{key}", headers={"X-Auth-Token": token, "X-Newest": "true"})
            response = connection.getresponse()
            body = response.read()
            state = hashlib.md5(body).hexdigest() if response.status == 200 else None
            if response.status not in (200, 404) or state not in worker.may_be[key]:
                wrong.append(f"{key}: {response.status}, {len(body)} bytes; may be {worker.may_be[key]}")
            elif state is not None and response.getheader("Etag") != state:
                wrong.append(f"{key}: Etag {response.getheader('Etag')} of other bytes")
            else:
                worker.may_be[key] = {state}
        worker.touched = set()
    return wrong


def settle(cluster):
    """Sends what is pending again: every node's updaters once, from the cluster's own configuration."""
    for daemon in ("object-updater", "container-updater"):
        for conf in sorted((cluster.data / "etc").glob(f"**/{daemon.split('-')[0]}-server*/*.conf")) or sorted(
                (cluster.data / "etc").glob(f"**/{daemon.split('-')[0]}-server*.conf")):
            subprocess.run([binary(), daemon, str(conf), "once"], check=True, timeout=120)


def listing(cluster, token, path):
    """Names and MD5s of the container."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=60)
    connection.request("GET", f"{path}/{CONTAINER}?format=json", headers={"X-Auth-Token": token})
    response = connection.getresponse()
    return {row["name"]: row["hash"] for row in json.loads(response.read() or b"[]")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--strict-listing", action="store_true",
                        help="the listing must also know of writes that were cut off before their answer")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    print(f"seed {args.seed}", flush=True)
    with DevCluster() as cluster:
        token, path = authenticate(cluster)
        connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=20)
        connection.request("PUT", f"{path}/{CONTAINER}", headers={"X-Auth-Token": token})
        assert connection.getresponse().status in (201, 202)
        states, acknowledged, began = None, 0, time.monotonic()
        for kill in range(1, args.kills + 1):
            workers = [Worker(n, cluster, token, path, random.Random(rng.random())) for n in range(args.workers)]
            for worker, old in zip(workers, states or []):
                worker.may_be, worker.sequence, worker.unanswered = old.may_be, old.sequence, old.unanswered
            for worker in workers:
                worker.start()
            time.sleep(rng.uniform(0.05, 0.8))
            cluster.kill()
            for worker in workers:
                worker.stopping.set()
                worker.join(30)
            acknowledged += sum(w.acknowledged for w in workers)
            cluster.start()
            token, path = authenticate(cluster)
            wrong = check(cluster, token, path, workers)
            if wrong:
                print(f"after kill {kill}:", *wrong, cluster.tail(), sep="\n")
                return 1
            states = workers
            if kill % 20 == 0:
                print(f"{kill} kills, {acknowledged} acknowledged writes, {time.monotonic() - began:.0f} s", flush=True)
        wrong = check(cluster, token, path, states, only_touched=False)
        settle(cluster)
        there = {key: next(iter(s)) for w in states for key, s in w.may_be.items() if next(iter(s)) is not None}
        listed = listing(cluster, token, path)
        differ = {k for k in listed.keys() | there.keys() if listed.get(k) != there.get(k)}
        behind = differ & set().union(*(w.unanswered for w in states))
        tell = sorted(differ if args.strict_listing else differ - behind)
        wrong += [f"listing: {k}: {listed.get(k)}, object {there.get(k)}" for k in tell]
        print(*wrong, sep="\n")
        print(f"{args.kills} kills, {acknowledged} acknowledged writes, {len(wrong)} wrong; "
              f"the listing has not heard of {len(behind)} writes that got no answer")
        return 1 if wrong or not acknowledged else 0


if __name__ == "__main__":
    sys.exit(main())
