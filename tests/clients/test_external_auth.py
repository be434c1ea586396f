"""external_auth with a real web service behind TLS that knows the users."""

import http.server
import json
import ssl
import threading
import time

import pytest
import requests

from tests.support.auth import manifest, self_signed
from tests.support.dev import DevCluster, free_port

SECRET = "proxy-to-service"


class Users:
    """The user system: who there is, and what it was asked."""

    def __init__(self):
        self.people = {
            "vol03:admin": {"key": "admin", "groups": [".admin"], "quota_bytes": 1000},
            "vol03:guest": {"key": "guest", "groups": ["visitors"], "token": "service-token-of-guest", "expires_in_s": 600},
        }
        self.asked = []
        self.broken = None

    def answer(self, question):
        """Status and body."""
        self.asked.append(question)
        if self.broken:
            return self.broken
        if "token" in question:
            found = [name for name, who in self.people.items() if who.get("token") == question["token"]]
            name = found[0] if found else None
        else:
            name = question["user"]
            if "key" in question and self.people.get(name, {}).get("key") != question["key"]:
                return 401, {}
        if name not in self.people:
            return 404, {}
        told = {key: value for key, value in self.people[name].items() if key != "key"}
        return 200, {"user": name, **told}


@pytest.fixture(scope="module")
def users():
    return Users()


@pytest.fixture(scope="module")
def service(users, tmp_path_factory):
    """The service's URL and its authority."""
    certificate, key = self_signed(tmp_path_factory.mktemp("service"))

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            allowed = self.headers["Authorization"] == f"Bearer {SECRET}"
            status, answer = users.answer(question) if allowed else (500, {})
            if callable(answer):
                answer = answer()
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/who", certificate
    server.shutdown()


@pytest.fixture(scope="module")
def cluster(service, tmp_path_factory):
    url, certificate = service
    top = tmp_path_factory.mktemp("external")
    options = {"cache_time": "1", "negative_cache_time": "1", "timeout": "1"}
    path = manifest(top / "cluster.yaml", {"external": {"url": url, "secretName": "auth"}},
                    {"sharedSecret": SECRET, "ca.crt": certificate.read_text()}, {"filter:external_auth": options})
    with DevCluster(data=top / "data", manifests=[path], env={"RUST_LOG": "debug"}) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet(users):
    """Each test begins with a service that works and nothing remembered of it."""
    users.broken = None
    time.sleep(1.1)
    users.asked.clear()


def login(cluster, user, key):
    return requests.get(cluster.auth_url, headers={"X-Auth-User": user, "X-Auth-Key": key}, timeout=30)


def use(cluster, answer, method="GET", path="", **kwargs):
    headers = {"X-Auth-Token": answer if isinstance(answer, str) else answer.headers["X-Auth-Token"]}
    return requests.request(method, f"http://127.0.0.1:{cluster.port}/v1/AUTH_vol03{path}", headers=headers, timeout=30, **kwargs)


def test_an_admin_comes_in_with_a_token_of_ours(cluster, users):
    admin = login(cluster, "vol03:admin", "admin")
    assert admin.status_code == 200, cluster.tail()
    assert admin.headers["X-Storage-Url"] == f"http://127.0.0.1:{cluster.port}/v1/AUTH_vol03"
    assert admin.headers["X-Auth-Token-Expires"] == "86400" and admin.headers["X-Auth-Token"].startswith("AUTH_stk")
    assert users.asked == [{"user": "vol03:admin", "key": "admin"}]
    assert use(cluster, admin, "PUT", "/c").status_code in (201, 202)
    assert use(cluster, admin, "PUT", "/c/o", data="hello").status_code == 201
    assert use(cluster, admin, path="/c/o").text == "hello"
    assert users.asked[1:] == [{"user": "vol03:admin"}], "one question for three requests"
    assert login(cluster, "vol03:admin", "wrong").status_code == 401
    assert login(cluster, "vol03:nobody", "x").status_code == 401


def test_a_guest_comes_in_with_the_services_own_token_and_an_acl(cluster, users):
    admin, guest = login(cluster, "vol03:admin", "admin"), login(cluster, "vol03:guest", "guest")
    assert guest.headers["X-Auth-Token"] == "service-token-of-guest" and guest.headers["X-Auth-Token-Expires"] == "600"
    use(cluster, admin, "PUT", "/acl")
    use(cluster, admin, "PUT", "/acl/o", data="x")
    assert use(cluster, guest, path="/acl/o").status_code == 403
    headers = {"X-Auth-Token": admin.headers["X-Auth-Token"], "X-Container-Read": "visitors"}
    requests.post(f"http://127.0.0.1:{cluster.port}/v1/AUTH_vol03/acl", headers=headers, timeout=30)
    assert use(cluster, guest, path="/acl/o").text == "x"
    assert use(cluster, guest, "PUT", "/acl/o", data="y").status_code == 403


def test_nobody_is_remembered_for_a_while(cluster, users):
    for _ in range(5):
        assert use(cluster, "made-up").status_code == 401
    assert users.asked == [{"token": "made-up"}]
    assert use(cluster, "AUTH_stkmade-up").status_code == 401
    assert len(users.asked) == 1, "a token of ours that is not signed is nobody's"


def test_who_is_taken_away_is_gone(cluster, users):
    users.people["vol03:leaver"] = {"key": "k", "groups": [".admin"]}
    leaver = login(cluster, "vol03:leaver", "k")
    assert use(cluster, leaver).status_code // 100 == 2
    del users.people["vol03:leaver"]
    time.sleep(1.1)
    assert use(cluster, leaver).status_code == 401


@pytest.mark.parametrize("broken", [
    (500, {}), (302, {}), (200, b"no json"), (200, {"user": "no-colon"}), (200, {"user": "a:b,.reseller_admin"}),
    (200, {"user": "a:b", "groups": ["x" * 300]}), (200, b"x" * 100_000), (200, lambda: time.sleep(3) or {}),
])
def test_a_service_that_does_not_work_lets_nobody_in(cluster, users, broken):
    admin = login(cluster, "vol03:admin", "admin")
    users.broken = broken
    assert login(cluster, "vol03:admin", "admin").status_code == 503
    assert use(cluster, admin).status_code == 503
    assert use(cluster, "some-token").status_code == 503


def test_quotas_come_from_the_answer(cluster, users):
    def quota():
        shown = use(cluster, login(cluster, "vol03:admin", "admin"), "HEAD").headers
        return shown.get("X-Account-Quota-Bytes") or shown.get("X-Account-Sysmeta-Quota-Bytes")

    users.people["vol03:admin"]["quota_bytes"] = 1_000_000
    admin = login(cluster, "vol03:admin", "admin")
    account = requests.head(f"http://127.0.0.1:{cluster.port}/v1/AUTH_vol03", headers={"X-Auth-Token": admin.headers["X-Auth-Token"]}, timeout=30)
    assert account.headers["X-Account-Quota-Bytes"] == "1000000"
    users.people["vol03:admin"]["quota_bytes"] = 10
    admin = login(cluster, "vol03:admin", "admin")
    use(cluster, admin, "PUT", "/q")
    assert use(cluster, admin, "PUT", "/q/o", data="x" * 11).status_code == 413


def test_nothing_secret_is_logged(cluster, users):
    admin = login(cluster, "vol03:admin", "admin-wrong-key")
    assert admin.status_code == 401
    logged = cluster.log.read_text(errors="replace")
    assert logged
    for secret in [SECRET, "admin-wrong-key", "service-token-of-guest"]:
        assert secret not in logged
