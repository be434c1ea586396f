"""Every answer tells its transaction, and every request has one line in the access log, in Swift's format."""

import json
import re
import socket
import time
import urllib.parse

import pytest
import requests

from tests.support.auth import manifest
from tests.support.dev import DevCluster

# The fields of Swift's access log: 21 words, those that are unknown a dash.
FIELDS = 21


@pytest.fixture(scope="module", params=["words", "json"])
def cluster(request, tmp_path_factory):
    top = tmp_path_factory.mktemp("log")
    config = {"filter:proxy-logging": {"access_log_json": "true"}} if request.param == "json" else {}
    path = manifest(top / "cluster.yaml", {"tempauth": {"usersSecretName": "auth"}},
                    {"user_test_tester": "testing .admin"}, config)
    with DevCluster(data=top / "data", manifests=[path], env={"RUST_LOG": "proxy-access=info"}) as running:
        running.as_json = request.param == "json"
        yield running


def raw(cluster, text):
    """The header of the answer to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", cluster.port), 10) as s:
        s.sendall(text)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = s.recv(65536)
            assert piece, answer
            answer += piece
    status, *lines = answer.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}


def line_of(cluster, trans_id):
    """What the log says of a transaction: (method, path, status)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", cluster.log.read_text(errors="replace"))
        # A filter's own requests of the same transaction come from nowhere: their clients are dashes.
        found = [line for line in plain.splitlines() if trans_id in line and "127.0.0.1" in line]
        if found:
            assert len(found) == 1, found
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"no line of {trans_id}; log:\n{cluster.tail()}")
    if cluster.as_json:
        fields = json.loads(found[0][found[0].index("{"):])
        return fields["method"], fields["path"], int(fields["status_int"])
    words = found[0][found[0].index("127.0.0.1 127.0.0.1"):].split(" ")
    assert len(words) >= FIELDS, found
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}/\d\d/\d\d/\d\d", words[2]) and words[5] == "HTTP/1.1", words
    return words[3], urllib.parse.unquote(words[4]), int(words[6])


def test_every_answer_and_every_line(cluster):
    got = requests.get(cluster.auth_url, headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}, timeout=30)
    token = {"X-Auth-Token": got.headers["X-Auth-Token"]}
    base = f"http://127.0.0.1:{cluster.port}"
    answers = [("GET", "/auth/v1.0", got)]
    for method, path, headers in [
        ("GET", "/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "wrong"}),
        ("PUT", "/v1/AUTH_test/c", token),
        ("PUT", "/v1/AUTH_test/c/o", token),
        ("GET", "/v1/AUTH_test/c/o", token),
        ("HEAD", "/v1/AUTH_test/c/none", token),
        ("GET", "/v1/AUTH_test/c/o", {}),
        ("GET", "/v1/AUTH_test/c/o", {"X-Auth-Token": "AUTH_tkbad"}),
        ("GET", "/v1/AUTH_other/c", token),
        ("POST", "/v1/AUTH_test/none", token),
        ("PATCH", "/v1/AUTH_test/c", token),
        ("OPTIONS", "/v1/AUTH_test/c", {}),
        ("PUT", "/v1/AUTH_test/c/%FF", token),
        ("PUT", "/v1/AUTH_test/" + "c" * 300, token),
        ("GET", "/nothing", {}),
        ("GET", "/info", {}),
        ("GET", "/healthcheck", {}),
        ("DELETE", "/v1/AUTH_test/c", token),
    ]:
        answers.append((method, path, requests.request(method, base + path, headers=headers, timeout=30)))
    for method, path, answer in answers:
        trans_id = answer.headers.get("X-Trans-Id", "")
        assert re.fullmatch(r"tx[0-9a-f]{21}-[0-9a-f]{10}.*", trans_id), f"{method} {path}: {dict(answer.headers)}"
        assert answer.headers["X-Openstack-Request-Id"] == trans_id
        if path != "/healthcheck":  # answered in front of the log, as in Swift's own pipeline
            logged_method, logged_path, status = line_of(cluster, trans_id)
            # Listings are asked for as JSON inside, and Swift logs the query that it made of the client's.
            logged_path = re.sub(r"(\?|%3F)format(=|%3D)json$", "", logged_path)
            assert (logged_method, logged_path, status) == (method, path, answer.status_code)


def test_what_is_no_request_has_a_transaction_too(cluster):
    """The page that Swift has for it; heads that break a limit get eventlet's bare answers, there as here."""
    status, headers = raw(cluster, b"nonsense\r\n\r\n")
    assert status == 400
    assert headers["x-trans-id"].startswith("tx") and headers["x-openstack-request-id"] == headers["x-trans-id"]
