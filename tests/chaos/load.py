"""A PUT/DELETE load whose every outcome is known, and the look at a cluster that must remember it.

Each worker owns its keys, so the order of its writes is known. What a key may read as afterwards is what was last
acknowledged, or what was tried after that and got no answer.
"""

import hashlib
import http.client
import json
import random
import subprocess
import threading
import time

from tests.support.dev import binary

CONTAINER = "chaos"
KEYS_A_WORKER = 25
SIZES = [0, 1, 700, 4096, 65536, 65537, 300_000]
# With the rest of an object's metadata more than ext4 takes in extended attributes.
LONG_FIELDS = 15


def payload(key, sequence, size):
    """The bytes of one write: they name themselves, so a mix of two is seen."""
    seed = hashlib.md5(f"{key}:{sequence}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def long_metadata(state):
    """Header fields that belong to these bytes and no others."""
    return {f"X-Object-Meta-L{n:x}": state * 8 for n in range(LONG_FIELDS)}


class Worker(threading.Thread):
    """Writes and deletes its own keys until told to stop or the server dies."""

    def __init__(self, number, cluster, token, path, rng, before=None, with_metadata=False):
        super().__init__(daemon=True)
        self.number, self.cluster, self.token, self.path, self.rng = number, cluster, token, path, rng
        self.with_metadata = with_metadata
        # Per key: every state it may be in; None is "not there", otherwise the MD5 of the bytes.
        self.may_be = before.may_be if before else {f"w{number}-{i}": {None} for i in range(KEYS_A_WORKER)}
        self.sequence = before.sequence if before else 0
        # Keys whose last write got no answer: the listing may not have heard of it.
        self.unanswered = before.unanswered if before else set()
        self.acknowledged, self.touched = 0, set()
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
        if self.with_metadata and state:
            headers.update(long_metadata(state))
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


class Load:
    """Workers, and what is known of their keys across ends of the cluster."""

    def __init__(self, cluster, workers, rng, with_metadata=False):
        self.cluster, self.count, self.rng, self.with_metadata = cluster, workers, rng, with_metadata
        self.workers, self.acknowledged = [], 0
        # The marks of the runs that ended with the last cut.
        self.cut_off = set()
        self.token, self.path = authenticate(cluster)
        connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=20)
        connection.request("PUT", f"{self.path}/{CONTAINER}", headers={"X-Auth-Token": self.token})
        assert connection.getresponse().status in (201, 202)

    def run_until(self, end, longest_s=0.8):
        """Writes for a random time, then calls `end`, which cuts everything off."""
        before = self.workers or [None] * self.count
        self.workers = [Worker(n, self.cluster, self.token, self.path, random.Random(self.rng.random()),
                               before[n], self.with_metadata) for n in range(self.count)]
        for worker in self.workers:
            worker.start()
        time.sleep(self.rng.uniform(0.05, longest_s))
        end()
        self.cut_off = run_marks(self.cluster.data)
        for worker in self.workers:
            worker.stopping.set()
            worker.join(30)
        self.acknowledged += sum(worker.acknowledged for worker in self.workers)

    def check(self, only_touched=True):
        """Reads keys with X-Newest after a start; the wrong ones, as text."""
        self.token, self.path = authenticate(self.cluster)
        wrong = []
        connection = http.client.HTTPConnection("127.0.0.1", self.cluster.port, timeout=60)
        for worker in self.workers:
            for key in sorted(worker.touched if only_touched else worker.may_be):
                connection.request("GET", f"{self.path}/{CONTAINER}/{key}",
                                   headers={"X-Auth-Token": self.token, "X-Newest": "true"})
                response = connection.getresponse()
                body = response.read()
                state = hashlib.md5(body).hexdigest() if response.status == 200 else None
                if response.status not in (200, 404) or state not in worker.may_be[key]:
                    wrong.append(f"{key}: {response.status}, {len(body)} bytes; may be {worker.may_be[key]}")
                elif state is not None and response.getheader("Etag") != state:
                    wrong.append(f"{key}: Etag {response.getheader('Etag')} of other bytes")
                elif state and self.with_metadata and any(
                        response.getheader(name) != value for name, value in long_metadata(state).items()):
                    wrong.append(f"{key}: metadata of other bytes")
                else:
                    worker.may_be[key] = {state}
            worker.touched = set()
        return wrong

    def check_listing(self, strict):
        """Where the listing and the objects differ, once the updaters ran, as text; and how many keys it has not
        heard of whose write got no answer. Those count as wrong only if `strict`."""
        settle(self.cluster, self.cut_off)
        there = {key: next(iter(states)) for worker in self.workers for key, states in worker.may_be.items()}
        there = {key: state for key, state in there.items() if state is not None}
        listed = listing(self.cluster, self.token, self.path)
        differ = {key for key in listed.keys() | there.keys() if listed.get(key) != there.get(key)}
        behind = differ & set().union(*(worker.unanswered for worker in self.workers))
        tell = sorted(differ if strict else differ - behind)
        return [f"listing: {key}: {listed.get(key)}, object {there.get(key)}" for key in tell], len(behind)


def authenticate(cluster):
    """Token and account path of test:tester."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=20)
    connection.request("GET", "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
    response = connection.getresponse()
    response.read()
    url = response.getheader("X-Storage-Url")
    return response.getheader("X-Auth-Token"), "/" + url.split("/", 3)[3]


def run_marks(data):
    """The marks of runs on all devices: whoever writes to a device leaves one until a clean end."""
    return set(data.glob("*/*/.swiftlet/runs/[0-9a-f]*"))


def await_settled(data, cut_off, patience_s=150):
    """Waits until none of the marks `cut_off` is there: what those runs owed is saved for the updaters. Runs of now
    have marks of their own, as daemons write too."""
    deadline = time.monotonic() + patience_s
    while left := run_marks(data) & cut_off:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not settled: {left}")
        time.sleep(0.1)


def settle(cluster, cut_off):
    """Sends what is pending again: every node's updaters once, from the cluster's own configuration."""
    await_settled(cluster.data, cut_off)
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
