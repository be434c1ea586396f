"""A load whose every outcome is known, and what a cluster must hold after it: containers, objects, metadata.

Writers repeat what got no answer, as clients do, so that in the end each name has one state; while a write is under way
a name may be in either. The reader looks at any name at any time.
"""

import collections
import concurrent.futures
import hashlib
import http.client
import json
import random
import threading
import time
import zlib

SIZES = [0, 1, 700, 4096, 4096, 65537]
ACCOUNT_USER = ("test:tester", "testing")
PATIENCE_S = 90
# What a name may be: its bytes and their type, what was POSTed to it; None where it is not there.
State = collections.namedtuple("State", "etag size content_type color")
# What is wrong with an answer; it is torn where its bytes are not those that its own Etag tells of. Its transaction, and
# those of the acknowledged writes that it does not know of; None where the name never was what it tells.
Finding = collections.namedtuple("Finding", "text torn transaction missed")


def payload(name, sequence, size):
    """The bytes of one write: they name themselves, so a mix of two is seen."""
    seed = hashlib.md5(f"{name}:{sequence}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


class Client:
    """One connection to a proxy, as one user."""

    def __init__(self, port):
        self.port, self.connection = port, None
        _, headers, _ = self.request("GET", "/auth/v1.0", headers=dict(zip(("X-Auth-User", "X-Auth-Key"), ACCOUNT_USER)))
        self.token, self.account = headers["x-auth-token"], "/" + headers["x-storage-url"].split("/", 3)[3]

    def request(self, method, path, body=b"", headers=None):
        """(status, headers, body); status 0 where there was no answer."""
        self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            self.connection.request(method, path, body, headers or {})
            response = self.connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return 0, {}, b""

    def ask(self, method, path, body=b"", headers=None):
        """The same below the account, with the token."""
        return self.request(method, self.account + path, body, {"X-Auth-Token": self.token, **(headers or {})})


class World:
    """What was written through the proxies at `ports`, a client's choice each time."""

    def __init__(self, ports, seed=1, containers=20, age_s=0):
        self.ports, self.rng = ports, random.Random(seed)
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.states, self.under_way, self.lock = {}, {}, threading.Lock()
        # All states that each name had, in order, each with the transaction that made it so.
        self.history = collections.defaultdict(lambda: [(None, None)])
        self.containers = [f"c{n}" for n in range(containers)]
        self.sequence = self.acknowledged = self.repeated = 0
        # What was wrong, as text: at writing, at reading.
        self.wrong = []
        # How long ago the proxy is told that all of this happens.
        self.age_s = age_s
        client = Client(ports[0])
        for container in self.containers:
            self._until(client, (201, 202), "PUT", f"/{container}")

    def _until(self, client, wanted, method, path, body=b"", headers=None):
        """Asks until one of the wanted answers comes; how often it was asked, and the answer."""
        deadline = time.monotonic() + PATIENCE_S
        for tries in range(1, 10_000):
            stamp = {"X-Timestamp": f"{time.time() - self.age_s:.5f}"} if self.age_s else {}
            answer = client.ask(method, path, body, {**(headers or {}), **stamp})
            if answer[0] in wanted:
                return tries, answer
            if time.monotonic() > deadline:
                raise RuntimeError(f"{method} {path} was not acknowledged in {PATIENCE_S} s: {answer}")
            time.sleep(0.2)

    def _one(self, client, rng, mine):
        """One write of a client to names that are its own."""
        there = [name for name in mine if self.states.get(name)]
        what = rng.choices(["new", "overwrite", "post", "delete"], [6, 2, 2, 3])[0] if there else "new"
        if what == "new":
            gone = [name for name in mine if not self.states.get(name)]
            if gone and rng.random() < 0.2:
                name = rng.choice(gone)
            else:
                name = f"{rng.choice(self.containers)}/{rng.randrange(1 << 40):x}"
                mine.append(name)
        else:
            name = rng.choice(there)
        before = self.states.get(name)
        with self.lock:
            self.sequence += 1
            sequence = self.sequence
        if what == "delete":
            after, wanted, body, headers = None, (204, 404), b"", {}
        elif what == "post":
            after = before._replace(color=f"color {sequence}", content_type=f"text/{sequence}")
            wanted, body, headers = (202,), b"", {"X-Object-Meta-Color": after.color, "Content-Type": after.content_type}
        else:
            body = payload(name, sequence, rng.choice(SIZES))
            after = State(hashlib.md5(body).hexdigest(), len(body), f"image/{sequence}", None)
            wanted, headers = (201,), {"Content-Type": after.content_type}
        with self.lock:
            self.under_way[name] = (before, after)
        method = {"delete": "DELETE", "post": "POST"}.get(what, "PUT")
        tries, answer = self._until(client, wanted, method, f"/{name}", body, headers)
        with self.lock:
            if tries == 1 and answer[0] == 404:
                self.wrong.append(f"{name}: DELETE says 404, it is {before}")
            self.states[name] = after
            self.history[name].append((after, answer[1].get("x-trans-id")))
            del self.under_way[name]
            self.acknowledged += 1
            self.repeated += tries - 1

    def write(self, count, clients=8):
        """So many writes, acknowledged all; seconds."""
        begun = time.monotonic()
        names = sorted(self.states)
        problems = []

        def work(number, rng):
            # A name belongs to one client, so that the order of its writes is known.
            mine = [name for name in names if zlib.crc32(name.encode()) % clients == number]
            client = Client(self.ports[number % len(self.ports)])
            try:
                for _ in range(count // clients):
                    self._one(client, rng, mine)
            except Exception as error:  # noqa: BLE001: told below, by the thread that waits
                problems.append(error)

        threads = [threading.Thread(target=work, args=(n, random.Random(self.rng.random()))) for n in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]
        return time.monotonic() - begun

    def begin_writing(self, count):
        """The same, going on meanwhile: a future, whose result is the seconds."""
        return self.pool.submit(self.write, count)

    def may_be(self, name):
        with self.lock:
            return {self.states.get(name), *self.under_way.get(name, ())}

    def there(self):
        """The objects that must be there: state by name."""
        return {name: state for name, state in self.states.items() if state}

    def missed(self, name, seen):
        """The transactions since the name was as it was seen, or None where no node can have it so: one that did not hear
        of some writes has what it did hear of, older bytes with the words of a later POST among it."""
        with self.lock:
            states = list(self.history[name])
        last = lambda like, after=-1: next((at for at in reversed(range(len(states))) if at > after and like(states[at][0])), None)
        at, told = last(lambda state: state == seen), None
        if at is None and seen and seen.color:
            at = last(lambda state: state and (state.etag, state.size) == (seen.etag, seen.size))
            told = None if at is None else last(lambda state: state and state[2:] == seen[2:], at)
            at = None if told is None else at
        return None if at is None else [states[n][1] for n in range(at + 1, len(states)) if n != told]

    def look(self, client, name, newest=False):
        """Reads one object: a Finding, or None where it is in a state that it had meanwhile."""
        before = self.may_be(name)
        status, headers, body = client.ask("GET", f"/{name}", headers={"X-Newest": "true"} if newest else None)
        allowed = before | self.may_be(name)
        etag, announced = hashlib.md5(body).hexdigest(), headers.get("etag")
        got = State(etag, len(body), headers.get("content-type"), headers.get("x-object-meta-color"))
        got = None if status == 404 else got
        if status in (200, 404) and got in allowed and (got is None or announced == etag):
            return None
        text = f"{name}: 404; it is {allowed}" if got is None else f"{name}: {status} {got} with Etag {announced}; it is {allowed}"
        torn = status in (0, 200) and announced != etag
        return Finding(text, torn, headers.get("x-trans-id"), self.missed(name, got) if status in (200, 404) else None)

    def listing(self, client, container):
        """Rows of a container: (name, bytes, hash, content type)."""
        rows, marker = [], ""
        while True:
            status, headers, body = client.ask("GET", f"/{container}?format=json&limit=1000&marker={marker}")
            if status not in (200, 204):
                raise RuntimeError(f"listing of {container}: {status}")
            page = json.loads(body or b"[]")
            rows += [(row["name"], row["bytes"], row["hash"], row["content_type"]) for row in page]
            if not page:
                return rows, headers
            marker = page[-1]["name"]

    def expected_rows(self, container):
        """What the listing must say."""
        mine = ((name.split("/", 1)[1], state) for name, state in self.there().items() if name.startswith(f"{container}/"))
        return sorted((name, state.size, state.etag, state.content_type) for name, state in mine)


class Reader:
    """Reads any names until told to stop, through some proxies or all. `newest` asks all replicas, as one must while some
    are known to be old."""

    def __init__(self, world, newest=False, ports=None, pause_s=0.005):
        self.world, self.newest, self.pause_s = world, newest, pause_s
        self.reads, self.again, self.findings = 0, 0, []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(port,)) for port in ports or world.ports]

    def _run(self, port):
        client, rng = Client(port), random.Random(port)
        while not self.stopping.is_set():
            with self.world.lock:
                names = list(self.world.states)
            if names:
                self._one(client, rng.choice(names))
            time.sleep(self.pause_s)

    def _one(self, client, name):
        self.reads += 1
        finding = self.world.look(client, name, self.newest)
        # A client sees for itself that an answer is torn, and asks again.
        if finding and finding.torn:
            self.again += 1
            finding = self.world.look(client, name, self.newest)
        if finding:
            self.findings.append(finding)

    @property
    def wrong(self):
        """What was wrong, as text."""
        return [finding.text for finding in self.findings]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
