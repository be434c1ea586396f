"""swauth as its users know it: the commands, the REST API and the swift client, typed as they always were."""

import json
import subprocess
import time

import pytest
import requests

from tests.conftest import VENV
from tests.support.auth import links, manifest, tls_proxy
from tests.support.dev import DevCluster

KEY = "swauthkey"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    top = tmp_path_factory.mktemp("swauth")
    path = manifest(top / "cluster.yaml", {"swauth": {"superAdminSecretName": "auth", "authType": "sha1"}},
                    {"superAdminKey": KEY})
    with DevCluster(data=top / "data", manifests=[path], env={"RUST_LOG": "debug"}) as running:
        yield running


@pytest.fixture(scope="module")
def admin_url(cluster):
    return f"http://127.0.0.1:{cluster.port}/auth/"


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    """A command of swauth; its standard output, or with `fails` its standard error."""
    folder = links(tmp_path_factory.mktemp("links") / "bin")

    def run(name, *args, fails=False):
        argv = [str(folder / name), *args]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == (1 if fails else 0), f"{argv}: {done.stdout}{done.stderr}\n{cluster.tail()}"
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture(scope="module")
def orion(run, admin_url):
    """What the decks set up: a reseller, and by its hand the account orion with its users."""
    assert run("swauth-prep", "-A", admin_url, "-K", KEY) == ""
    assert run("swauth-prep", "-A", admin_url, "-K", KEY) == "", "as often as one likes"
    run("swauth-add-user", "-A", admin_url, "-K", KEY, "-r", "reseller", "rgroup", "rpass123")
    reseller = ["-A", admin_url, "-U", "reseller:rgroup", "-K", "rpass123"]
    assert run("swauth-add-account", *reseller, "-s", "orion-cabinet", "orion") == ""
    assert run("swauth-add-user", *reseller, "-a", "orion", "joe", "passjoe") == ""
    assert run("swauth-add-user", *reseller, "orion", "ann", "passann") == ""
    return reseller


def swift(cluster, user, key, *args, ok=True, **kwargs):
    argv = [str(VENV / "bin/swift"), "-A", f"http://127.0.0.1:{cluster.port}/auth/v1.0", "-U", user, "-K", key, *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, **kwargs)
    assert (done.returncode == 0) == ok, f"{args}: {done.stdout}{done.stderr}\n{cluster.tail()}"
    return done.stdout


def token(admin_url, user, key, **headers):
    return requests.get(f"{admin_url}v1.0", headers={"X-Auth-User": user, "X-Auth-Key": key, **headers}, timeout=30)


def test_the_decks_transcript(cluster, orion, run, admin_url, tmp_path):
    (tmp_path / "mydata").write_text("hello")
    swift(cluster, "orion:joe", "passjoe", "upload", "con", "mydata", cwd=tmp_path)
    assert swift(cluster, "orion:joe", "passjoe", "list", "con") == "mydata\n"
    assert "Account: AUTH_orion-cabinet" in swift(cluster, "orion:joe", "passjoe", "stat")
    swift(cluster, "orion:joe", "wrong", "stat", ok=False)
    # One who is no admin comes in by an ACL alone.
    swift(cluster, "orion:ann", "passann", "list", "con", ok=False)
    swift(cluster, "orion:joe", "passjoe", "post", "con", "-r", "orion:ann")
    assert swift(cluster, "orion:ann", "passann", "download", "con", "mydata", "-o", "-") == "hello"
    swift(cluster, "orion:ann", "passann", "upload", "con", "mydata", ok=False, cwd=tmp_path)


def test_the_decks_transcript_over_tls(cluster, orion, run, tmp_path, monkeypatch):
    with tls_proxy(cluster, tmp_path) as (url, certificate):
        monkeypatch.setenv("OS_CACERT", str(certificate))
        reseller = ["-A", f"{url}/auth/", "-U", "reseller:rgroup", "-K", "rpass123"]
        assert run("swauth-add-account", *reseller, "-s", "lyra-cabinet", "lyra") == ""
        assert run("swauth-add-user", *reseller, "-a", "lyra", "zoe", "passzoe") == ""
        assert "zoe" in run("swauth-list", *reseller, "lyra")
        assert run("swauth-delete-user", *reseller, "lyra", "zoe") == ""
        assert run("swauth-delete-account", *reseller, "lyra") == ""
        monkeypatch.delenv("OS_CACERT")
        assert "ertificate" in run("swauth-list", *reseller, "lyra", fails=True), "nobody knows who signed it"


def test_lists(orion, run, admin_url):
    admin = ["-A", admin_url, "-K", KEY]
    assert json.loads(run("swauth-list", *admin)) == {"accounts": [{"name": "orion"}, {"name": "reseller"}]}
    assert run("swauth-list", *admin, "-p").splitlines() == ["orion", "reseller"]
    shown = json.loads(run("swauth-list", *orion, "orion"))
    assert shown["account_id"] == "AUTH_orion-cabinet"
    assert shown["users"] == [{"name": "ann"}, {"name": "joe"}]
    assert shown["services"]["storage"]["default"] == "local"
    assert run("swauth-list", *orion, "-p", "orion", ".groups").split() == [".admin", "orion", "orion:ann", "orion:joe"]
    assert run("swauth-list", *orion, "-p", "orion", "joe").split() == ["orion:joe", "orion", ".admin"]
    stored = json.loads(run("swauth-list", *orion, "orion", "joe"))["auth"]
    assert stored.startswith("sha1:") and "passjoe" not in stored


def test_the_token_request(orion, admin_url, cluster):
    got = token(admin_url, "orion:joe", "passjoe")
    url = f"http://127.0.0.1:{cluster.port}/v1/AUTH_orion-cabinet"
    assert got.status_code == 200 and got.headers["X-Storage-Url"] == url
    assert got.text == '{"storage": {"default": "local", "local": "' + url + '"}}'
    assert got.headers["X-Auth-Token"] == got.headers["X-Storage-Token"]
    assert got.headers["X-Auth-Token"].startswith("AUTH_tk") and 86000 < int(got.headers["X-Auth-Token-Expires"]) <= 86400
    again = token(admin_url, "orion%3Ajoe", "passjoe")
    assert again.headers["X-Auth-Token"] == got.headers["X-Auth-Token"], "the same while it lasts"
    renewed = token(admin_url, "orion:joe", "passjoe", **{"X-Auth-New-Token": "true", "X-Auth-Token-Lifetime": "60"})
    assert renewed.headers["X-Auth-Token"] != got.headers["X-Auth-Token"]
    assert int(renewed.headers["X-Auth-Token-Expires"]) <= 60
    use = lambda answer: requests.get(url, headers={"X-Auth-Token": answer.headers["X-Auth-Token"]}, timeout=30)
    assert (use(got).status_code, use(renewed).status_code) == (401, 200)
    old_way = requests.get(f"{admin_url}v1/orion/auth", headers={"X-Storage-User": "joe", "X-Storage-Pass": "passjoe"}, timeout=30)
    assert old_way.headers["X-Auth-Token"] == renewed.headers["X-Auth-Token"]
    for user, key in [("orion:joe", "passann"), ("orion:nobody", "x"), ("nothing:joe", "passjoe"), ("joe", "passjoe"),
                      (".token_0:x", "x"), ("orion/joe:x", "x"), ("orion:.services", "x")]:
        assert token(admin_url, user, key).status_code == 401, user
    seen = requests.get(f"{admin_url}v2/.token/{renewed.headers['X-Auth-Token']}", timeout=30)
    assert seen.status_code == 204 and seen.headers["X-Auth-Groups"] == "orion:joe,orion,AUTH_orion-cabinet"
    assert 0 < float(seen.headers["X-Auth-Ttl"]) <= 60
    assert requests.get(f"{admin_url}v2/.token/AUTH_tk{'0' * 32}", timeout=30).status_code == 404


def test_services(orion, run, admin_url):
    run("swauth-set-account-service", *orion, "orion", "storage", "far", "https://far.example.jp/v1/AUTH_o")
    assert token(admin_url, "orion:joe", "passjoe").json()["storage"]["far"] == "https://far.example.jp/v1/AUTH_o"
    joe = ["-A", admin_url, "-U", "orion:joe", "-K", "passjoe"]
    said = run("swauth-set-account-service", *joe, "orion", "storage", "far", "x", fails=True)
    assert said == "Service set failed: 403 Forbidden\n"


# Who may do what: 401 for bad credentials, 403 for good ones that are not enough.
@pytest.mark.parametrize("method, path, headers, by_user, by_admin, by_reseller", [
    ("POST", ".prep", {}, 403, 403, 403),
    ("GET", "", {}, 403, 403, 200),
    ("GET", "orion", {}, 403, 200, 200),
    ("GET", "orion/ann", {}, 403, 200, 200),
    ("GET", "orion/joe", {}, 403, 403, 200),
    ("GET", "reseller/rgroup", {}, 403, 403, 403),
    ("GET", "reseller", {}, 403, 403, 200),
    ("PUT", "other", {}, 403, 403, 201),
    ("PUT", "other2", {"X-Account-Suffix": ".auth"}, 403, 403, 400),
    ("PUT", ".other", {}, 400, 400, 400),
    ("PUT", "orion/new", {"X-Auth-User-Key": "k"}, 403, 201, 201),
    ("PUT", "orion/new", {}, 400, 400, 400),
    ("PUT", "orion/new", {"X-Auth-User-Key-Hash": "sha1:x"}, 400, 400, 400),
    ("PUT", "orion/new", {"X-Auth-User-Key": "k", "X-Auth-User-Reseller-Admin": "true"}, 403, 403, 403),
    ("PUT", "reseller/rgroup", {"X-Auth-User-Key": "mine"}, 403, 403, None),
    ("DELETE", "reseller/rgroup", {}, 403, 403, 403),
    ("DELETE", "orion/nobody", {}, 403, 404, 404),
    ("DELETE", "orion", {}, 403, 403, 409),
    ("PATCH", "orion", {}, 400, 400, 400),
])
def test_rights(orion, admin_url, method, path, headers, by_user, by_admin, by_reseller):
    for user, key, expected in [("orion:ann", "passann", by_user), ("orion:joe", "passjoe", by_admin),
                                ("reseller:rgroup", "rpass123", by_reseller), ("orion:joe", "x", 401 if by_user != 400 else 400)]:
        who = {"X-Auth-Admin-User": user, "X-Auth-Admin-Key": key}
        if expected is not None:
            got = requests.request(method, f"{admin_url}v2/{path}", headers={**who, **headers}, timeout=60)
            assert got.status_code == expected, f"{user}: {got.text}"


def test_keys_change_and_tokens_end(orion, run, admin_url, cluster):
    run("swauth-add-user", *orion, "orion", "bob", "first")
    old = token(admin_url, "orion:bob", "first").headers["X-Auth-Token"]
    bob = ["-A", admin_url, "-U", "orion:bob", "-K", "first"]
    assert "403 Forbidden" in run("swauth-add-user", *bob, "-a", "orion", "bob", "second", fails=True), "no rights by oneself"
    run("swauth-add-user", *bob, "orion", "bob", "second key/%")
    assert token(admin_url, "orion:bob", "first").status_code == 401
    url = f"http://127.0.0.1:{cluster.port}/v1/AUTH_orion-cabinet"
    # Proxies without memcached may believe a token for one second more.
    time.sleep(1.1)
    assert requests.get(url, headers={"X-Auth-Token": old}, timeout=30).status_code == 401
    last = token(admin_url, "orion:bob", "second%20key%2F%25")
    assert last.status_code == 200
    run("swauth-delete-user", *orion, "orion", "bob")
    time.sleep(1.1)
    assert requests.get(url, headers={"X-Auth-Token": last.headers["X-Auth-Token"]}, timeout=30).status_code == 401
    assert run("swauth-delete-user", *orion, "orion", "bob", fails=True) == "User deletion failed: 404 Not Found\n"


def test_accounts_come_and_go(orion, run, admin_url):
    run("swauth-add-account", *orion, "short")
    account_id = json.loads(run("swauth-list", *orion, "short"))["account_id"]
    assert len(account_id) == len("AUTH_") + 36, "a UUID"
    run("swauth-add-user", *orion, "short", "u", "k")
    assert run("swauth-delete-account", *orion, "short", fails=True) == "Account deletion failed: 409 Conflict\n"
    run("swauth-delete-user", *orion, "short", "u")
    run("swauth-delete-account", *orion, "short")
    assert run("swauth-list", *orion, "short", fails=True) == "List failed: 404 Not Found\n"


def test_cleanup(orion, run, admin_url, cluster):
    short = token(admin_url, "orion:ann", "passann", **{"X-Auth-New-Token": "true", "X-Auth-Token-Lifetime": "1"})
    assert short.status_code == 200
    joe = token(admin_url, "orion:joe", "passjoe").headers["X-Auth-Token"]
    time.sleep(2.5)
    admin = ["-A", admin_url, "-K", KEY]
    deleted = run("swauth-cleanup-tokens", *admin, "-t", "1", "-s", "0").splitlines()
    assert deleted and all(line.startswith("DELETE .token_") for line in deleted)
    url = f"http://127.0.0.1:{cluster.port}/v1/AUTH_orion-cabinet"
    assert requests.get(url, headers={"X-Auth-Token": joe}, timeout=30).status_code == 200
    assert run("swauth-cleanup-tokens", *admin, "-s", "0", "-v").endswith("Done.\n")
    run("swauth-cleanup-tokens", *admin, "-s", "0", "--purge", "orion")
    time.sleep(1.1)
    assert requests.get(url, headers={"X-Auth-Token": joe}, timeout=30).status_code == 401


def test_the_auth_account_is_the_super_admins(orion, admin_url, cluster):
    url = f"http://127.0.0.1:{cluster.port}/v1/AUTH_.auth/orion/joe"
    for user, key in [("orion:joe", "passjoe"), ("reseller:rgroup", "rpass123")]:
        found = token(admin_url, user, key).headers["X-Auth-Token"]
        assert requests.get(url, headers={"X-Auth-Token": found}, timeout=30).status_code == 403
    assert requests.get(url, timeout=30).status_code == 401
    found = token(admin_url, ".super_admin:.super_admin", KEY).headers["X-Auth-Token"]
    user = requests.get(url, headers={"X-Auth-Token": found}, timeout=30).json()
    assert [group["name"] for group in user["groups"]] == ["orion:joe", "orion", ".admin"]
    assert token(admin_url, ".super_admin:.super_admin", "wrong").status_code == 401


def test_nothing_secret_is_logged(orion, cluster, admin_url):
    found = token(admin_url, "orion:joe", "passjoe").headers["X-Auth-Token"]
    logged = cluster.log.read_text(errors="replace")
    assert logged, "there is a log"
    for secret in [KEY, "passjoe", "rpass123", found]:
        assert secret not in logged
