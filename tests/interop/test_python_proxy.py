"""A Python proxy with encryption on in front of our storage node (and no auth filter: everybody may do all). Its PUTs end in footers behind the body, which the
object server must ask for in a 100 Continue with headers; what it stores must come back decrypted."""

import hashlib
import http.client
import os
import pathlib
import socket
import subprocess
import time

import pytest

from tests.support.dev import binary, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = pathlib.Path(os.environ.get("SWIFT_TEST_VENV", ROOT / "target/venv"))

STORAGE_CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
devices = {root}/srv
mount_check = false
swift_dir = {root}/etc
recon_cache_path = {root}/cache
log_address = {root}/log.sock

[pipeline:main]
pipeline = healthcheck recon {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:recon]
use = egg:swift#recon

[container-updater]
[object-updater]
"""

PROXY_CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {root}/etc
log_address = {root}/log.sock

[pipeline:main]
pipeline = catch_errors gatekeeper proxy-logging listing_formats copy keymaster encryption proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:copy]
use = egg:swift#copy
[filter:keymaster]
use = egg:swift#keymaster
encryption_root_secret = changeme/changeme/changeme/changeme/change/=
[filter:encryption]
use = egg:swift#encryption
"""


def wait_for(port, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port}: {log.read_text()}")


def python_swift(root, *words):
    """The command line and environment of one of Python Swift's programs."""
    env = dict(os.environ, SAIO_SWIFT_DIR=str(root / "etc"), SAIO_BIN=str(VENV / "bin"), EVENTLET_NO_GREENDNS="yes")
    return {"args": [str(VENV / "bin/python"), str(ROOT / "tests/peer/bin/sw"), *map(str, words)], "env": env}


def builder(root, *words):
    done = subprocess.run(**python_swift(root, "swift-ring-builder", *words), capture_output=True, text=True,
                          timeout=60, check=False)
    # 1 is a warning: rings of three devices on one machine are not well dispersed.
    assert done.returncode in (0, 1), done.stdout + done.stderr


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders, swift.conf, and rings of one node with three devices."""
    root = tmp_path_factory.mktemp("mixed")
    for folder in ("etc", "cache", "srv/d1", "srv/d2", "srv/d3"):
        (root / folder).mkdir(parents=True)
    (root / "etc/swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = mixed\n")
    ports = dict(zip(("account", "container", "object"), (free_port() for _ in range(3))))
    for kind, port in ports.items():
        (root / f"etc/{kind}-server.conf").write_text(STORAGE_CONF.format(kind=kind, port=port, root=root))
        file = root / f"etc/{kind}.builder"
        builder(root, file, "create", 4, 3, 1)
        for device in ("d1", "d2", "d3"):
            builder(root, file, "add", f"r1z1-127.0.0.1:{port}/{device}", 1)
        builder(root, file, "rebalance")
    return root


@pytest.fixture(scope="module")
def node(root):
    """`swiftlet storage`."""
    log = root / "node.log"
    with log.open("wb") as out:
        process = subprocess.Popen([binary(), "storage", str(root / "etc")], stdout=out, stderr=subprocess.STDOUT)
    port = int((root / "etc/object-server.conf").read_text().split("bind_port = ")[1].split()[0])
    wait_for(port, process, log)
    yield port
    process.terminate()
    assert process.wait(40) == 0, log.read_text()


@pytest.fixture(scope="module")
def proxy(root, node):
    """Python Swift's proxy; gives its port."""
    port = free_port()
    conf, log = root / "etc/proxy-server.conf", root / "proxy.log"
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    conf.write_text(PROXY_CONF.format(port=port, root=root, user=user))
    with log.open("wb") as out:
        process = subprocess.Popen(**python_swift(root, "swift-proxy-server", conf), stdout=out, stderr=subprocess.STDOUT)
    wait_for(port, process, log)
    yield port
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def request_(proxy):
    """One request; gives status, headers and body."""

    def send(method, path, body=None, headers=(), port=proxy):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data

    return send


def data_files(root):
    return sorted(root.glob("srv/*/objects/*/*/*/*.data"))


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
def test_what_is_encrypted_comes_back(request_, root, size):
    body = (b"plain text, and not to be found on a disk " * (size // 42 + 1))[:size]
    path = f"/v1/AUTH_test/crypt/o{size}"
    assert request_("PUT", "/v1/AUTH_test/crypt")[0] in (201, 202)
    before = set(data_files(root))
    status, headers, _ = request_("PUT", path, body, {"X-Object-Meta-Colour": "dark red"})
    assert status == 201
    assert headers["etag"] == hashlib.md5(body).hexdigest()
    status, headers, got = request_("GET", path)
    assert (status, got) == (200, body)
    assert headers["x-object-meta-colour"] == "dark red"
    assert headers["etag"] == hashlib.md5(body).hexdigest()
    files = set(data_files(root)) - before
    assert len(files) == 3
    for file in files:
        assert size < 42 or b"plain text" not in file.read_bytes()
        assert b"dark red" not in os.getxattr(file, "user.swift.metadata")
        # Footers came: the crypto parameters of the body are only known when it has been read.
        assert size == 0 or b"Crypto-Body-Meta" in os.getxattr(file, "user.swift.metadata")


def test_chunked_uploads_and_posts_and_ranges(request_):
    path = "/v1/AUTH_test/crypt/chunked"
    assert request_("PUT", "/v1/AUTH_test/crypt")[0] in (201, 202)
    parts = [b"a" * 70_000, b"b", b"c" * 200_000]
    assert request_("PUT", path, iter(parts))[0] == 201
    assert request_("POST", path, headers={"X-Object-Meta-Shape": "round"})[0] == 202
    status, headers, got = request_("GET", path, headers={"Range": "bytes=69999-70001"})
    assert (status, got, headers["x-object-meta-shape"]) == (206, b"abc", "round")


def test_a_wrong_etag_is_refused(request_):
    path = "/v1/AUTH_test/crypt/wrong"
    assert request_("PUT", "/v1/AUTH_test/crypt")[0] in (201, 202)
    assert request_("PUT", path, b"x", {"ETag": "0" * 32})[0] == 422
    assert request_("GET", path)[0] == 404


def test_health_and_recon(request_, node):
    assert request_("GET", "/healthcheck", port=node)[2] == b"OK"
    status, _, body = request_("GET", "/recon/diskusage", port=node)
    assert status == 200 and body.count(b'"mounted":true') == 3
