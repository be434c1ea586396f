"""An erasure-coded policy (4+2) on a mixed cluster: half of its object servers are Python Swift's and half ours, and so
are the proxies. What either proxy wrote, both read, whole and in ranges; and still when as many devices are empty as the
code allows. Then each side's reconstructor makes again what the other side's devices lost, bit for bit."""

import hashlib
import http.client
import os
import pathlib
import pickle
import random
import shutil
import subprocess

import pytest

from tests.interop.test_python_proxy import builder, python_swift, wait_for
from tests.support.dev import binary, free_port

MIB = 1 << 20
SIZES = (0, 1, 9, 65_536, MIB - 1, MIB, MIB + 1, 3 * MIB + 12_345)

SWIFT_CONF = """[swift-hash]
swift_hash_path_suffix = mixed
[storage-policy:0]
name = gold
default = yes
[storage-policy:1]
name = ec42
policy_type = erasure_coding
ec_type = liberasurecode_rs_vand
ec_num_data_fragments = 4
ec_num_parity_fragments = 2
"""

SERVER_CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
devices = {root}/srv/{side}
mount_check = false
fallocate_reserve = 0
swift_dir = {root}/etc
user = {user}
workers = 0
log_address = {root}/log.sock
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
[object-reconstructor]
recon_cache_path = {root}/cache
"""

PROXY_CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {root}/etc
user = {user}
workers = 0
log_address = {root}/log.sock
[pipeline:main]
pipeline = catch_errors gatekeeper proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
"""


class Mixed:
    """The running cluster."""

    def __init__(self, root):
        self.root = root
        self.processes = []
        self.user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        ports = [free_port() for _ in range(6)]
        self.account, self.container, *objects = ports[:4]
        self.objects = dict(zip(("ours", "python"), objects))
        self.proxies = dict(zip(("ours", "python"), ports[4:]))

    def configure(self):
        """Configuration and rings: three devices a side."""
        for side in ("ours", "python"):
            for device in range(3):
                (self.root / f"srv/{side}/{side}{device}").mkdir(parents=True)
        for folder in ("etc", "cache"):
            (self.root / folder).mkdir()
        (self.root / "etc/swift.conf").write_text(SWIFT_CONF)
        for kind, replicas in (("account", 3), ("container", 3), ("object", 3), ("object-1", 6)):
            file = self.root / f"etc/{kind}.builder"
            builder(self.root, file, "create", 4, replicas, 1)
            for side in ("ours", "python"):
                port = {"account": self.account, "container": self.container}.get(kind, self.objects[side])
                if side == "python" and kind != "object-1":
                    continue
                for device in range(3):
                    builder(self.root, file, "add", f"r1z{device + 1}-127.0.0.1:{port}/{side}{device}", 1)
            builder(self.root, file, "rebalance")

    def start(self):
        """Every server."""
        for kind, port in (("account", self.account), ("container", self.container)):
            self.spawn("ours", f"{kind}-server", port, SERVER_CONF.format(
                port=port, root=self.root, side="ours", kind=kind, user=self.user))
        for side, port in self.objects.items():
            self.spawn(side, "object-server", port, SERVER_CONF.format(
                port=port, root=self.root, side=side, kind="object", user=self.user))
        for side, port in self.proxies.items():
            self.spawn(side, "proxy-server", port, PROXY_CONF.format(port=port, root=self.root, user=self.user))

    def spawn(self, side, program, port, text):
        """One of them, until it listens."""
        conf, log = self.root / f"etc/{program}-{side}.conf", self.root / f"{program}-{side}.log"
        conf.write_text(text)
        how = {"args": [binary(), program, str(conf)]} if side == "ours" else python_swift(self.root, f"swift-{program}", conf)
        with log.open("wb") as out:
            self.processes.append(subprocess.Popen(**how, stdout=out, stderr=subprocess.STDOUT))
        wait_for(port, self.processes[-1], log)

    def reconstruct(self, side):
        """One pass of a side's reconstructor; gives what it said."""
        conf = str(self.root / f"etc/object-server-{side}.conf")
        if side == "ours":
            how = {"args": [binary(), "object-reconstructor", conf, "once", "-v"]}
        else:
            how = python_swift(self.root, "swift-object-reconstructor", conf, "once", "-v")
        done = subprocess.run(**how, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fragments(self, device):
        """All files of objects on a device by their place: their bytes' MD5, and their metadata."""
        files = {}
        objects = self.root / "srv" / device / "objects-1"
        for file in objects.glob("*/*/*/*"):
            metadata = b"".join(os.getxattr(file, name) for name in sorted(os.listxattr(file)) if "checksum" not in name)
            found = sorted(pickle.loads(metadata, encoding="latin1").items())
            files[str(file.relative_to(objects))] = (hashlib.md5(file.read_bytes()).hexdigest(), found)
        return files

    def stop(self):
        """All of them."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(40)

    def request(self, side, method, path, body=None, headers=()):
        """One request through a proxy; gives status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.proxies[side], timeout=60)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    cluster = Mixed(pathlib.Path(tmp_path_factory.mktemp("ec")))
    cluster.configure()
    try:
        cluster.start()
        for side in cluster.proxies:
            status, _, _ = cluster.request(side, "PUT", f"/v1/AUTH_t/by-{side}", headers={"X-Storage-Policy": "ec42"})
            assert status == 201
        yield cluster
    finally:
        cluster.stop()


def data_of(size):
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("writer", ["ours", "python"])
@pytest.mark.parametrize("size", SIZES)
def test_both_proxies_read_what_either_wrote(mixed, writer, size):
    data, path = data_of(size), f"/v1/AUTH_t/by-{writer}/{size}"
    etag = hashlib.md5(data).hexdigest()
    status, headers, _ = mixed.request(writer, "PUT", path, data, {"X-Object-Meta-Colour": "blue"})
    assert (status, headers["etag"]) == (201, etag)
    for reader in mixed.proxies:
        status, headers, body = mixed.request(reader, "GET", path)
        assert (status, headers["etag"], headers["content-length"]) == (200, etag, str(size))
        assert body == data and headers["x-object-meta-colour"] == "blue"
        assert not [name for name in headers if "sysmeta" in name]
        status, headers, _ = mixed.request(reader, "HEAD", path)
        assert (status, headers["etag"], headers["content-length"]) == (200, etag, str(size))
        assert mixed.request(reader, "GET", path, headers={"If-None-Match": etag})[0] == 304
        assert mixed.request(reader, "GET", path, headers={"If-Match": "other"})[0] == 412


@pytest.mark.parametrize("asked", ["0-0", "0-9", "-5", "100-200", f"{MIB - 1}-{MIB}", f"{MIB}-", f"-{MIB + 3}", f"{9 * MIB}-"])
def test_ranges_are_the_objects(mixed, asked):
    size = SIZES[-1]
    data = data_of(size)
    answers = [mixed.request(side, "GET", f"/v1/AUTH_t/by-ours/{size}", headers={"Range": f"bytes={asked}"})
               for side in ("ours", "python")]
    (status, headers, body), (expected_status, expected_headers, expected_body) = answers
    assert status == expected_status
    assert headers.get("content-range") == expected_headers.get("content-range")
    if status == 206:
        start, end = (int(n) for n in headers["content-range"].split()[1].split("/")[0].split("-"))
        assert body == expected_body == data[start:end + 1]


def test_several_ranges_come_in_parts(mixed):
    data = data_of(SIZES[-1])
    asked = {"Range": f"bytes=0-9,{MIB - 5}-{MIB + 4},-3"}
    status, headers, body = mixed.request("ours", "GET", f"/v1/AUTH_t/by-ours/{SIZES[-1]}", headers=asked)
    assert status == 206 and int(headers["content-length"]) == len(body)
    boundary = headers["content-type"].split("boundary=")[1].encode()
    parts = [part.split(b"\r\n\r\n", 1)[1][:-2] for part in body.split(b"--" + boundary)[1:-1]]
    assert parts == [data[:10], data[MIB - 5:MIB + 5], data[-3:]]


@pytest.mark.parametrize("writer", ["ours", "python"])
def test_a_wrong_etag_leaves_nothing(mixed, writer):
    path = f"/v1/AUTH_t/by-{writer}/wrong"
    assert mixed.request(writer, "PUT", path, b"data", {"ETag": "0" * 32})[0] == 422
    for reader in mixed.proxies:
        assert mixed.request(reader, "GET", path)[0] == 404


def test_metadata_and_deletion(mixed):
    path = "/v1/AUTH_t/by-ours/posted"
    assert mixed.request("ours", "PUT", path, b"data")[0] == 201
    assert mixed.request("ours", "POST", path, headers={"X-Object-Meta-Colour": "red"})[0] == 202
    for reader in mixed.proxies:
        assert mixed.request(reader, "HEAD", path)[1]["x-object-meta-colour"] == "red"
    assert mixed.request("ours", "DELETE", path)[0] == 204
    for reader in mixed.proxies:
        assert mixed.request(reader, "GET", path)[0] == 404


DEVICES = ("ours/ours1", "python/python2")


@pytest.fixture(scope="module")
def whole(mixed):
    """What those devices hold while nothing is lost."""
    held = {device: mixed.fragments(device) for device in DEVICES}
    assert all(held.values())
    return held


@pytest.mark.parametrize("side, device", [("ours", "python/python2"), ("python", "ours/ours1")])
def test_a_lost_device_is_made_again(mixed, whole, side, device):
    """By one pass of the other side: of the three partners that look after a node, one at least is there."""
    shutil.rmtree(mixed.root / "srv" / device / "objects-1")
    said = mixed.reconstruct(side)
    assert mixed.fragments(device) == whole[device], said


@pytest.mark.parametrize("side, other", [("ours", "python"), ("python", "ours")])
def test_what_lies_on_the_wrong_node_goes_home(mixed, side, other):
    """Folders of fragments moved to a device of `side`; its reconstructor hands them over to the one of `other`."""
    home, away = f"{other}/{other}0", f"{side}/{side}0"
    before = {device: mixed.fragments(device) for device in (home, away)}
    source, target = (mixed.root / "srv" / device / "objects-1" for device in (home, away))
    for folder in source.glob("*/*/*/"):
        place = target / folder.relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if file.suffix == ".data":
                subprocess.run(["cp", "-a", file, place], check=True)
    shutil.rmtree(source)
    for hashes in target.glob("*/hashes.pkl"):
        hashes.unlink()
    said = mixed.reconstruct(side)
    now = {device: mixed.fragments(device) for device in (home, away)}
    assert now == before, said


@pytest.mark.parametrize("side, device", [("ours", "python/python0"), ("python", "ours/ours0")])
def test_a_deletion_reaches_a_node_that_missed_it(mixed, side, device):
    path = f"/v1/AUTH_t/by-ours/missed-by-{side}"
    assert mixed.request("ours", "PUT", path, b"data")[0] == 201
    before = mixed.fragments(device)
    aside = mixed.root / "aside"
    subprocess.run(["cp", "-a", mixed.root / "srv" / device / "objects-1", aside], check=True)
    assert mixed.request("ours", "DELETE", path)[0] == 204
    shutil.rmtree(mixed.root / "srv" / device / "objects-1")
    aside.rename(mixed.root / "srv" / device / "objects-1")
    assert mixed.fragments(device) == before
    said = mixed.reconstruct(side)
    gone = [name for name in before if name.endswith(".data") and name not in mixed.fragments(device)]
    assert len(gone) == 1, said


def test_two_of_six_devices_may_be_lost(mixed):
    """The last test: what it removes does not come back."""
    for device in ("ours/ours1", "python/python2"):
        shutil.rmtree(mixed.root / "srv" / device / "objects-1")
    for writer in mixed.proxies:
        for size in SIZES:
            status, _, body = mixed.request("ours", "GET", f"/v1/AUTH_t/by-{writer}/{size}")
            assert status == 200 and body == data_of(size), f"by-{writer}/{size}"
