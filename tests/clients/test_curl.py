"""The curl lines and `st` command lines that talks and guides about Swift have printed for years, typed as printed."""

import json
import subprocess

import pytest

from tests.conftest import VENV


@pytest.fixture(scope="module")
def curl(cluster):
    """curl with these words; gives what it printed."""

    def run(*words, stdin=None):
        done = subprocess.run(["curl", "-sS", *words], input=stdin, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr.decode()}\n{cluster.tail()}"
        return done.stdout.decode()

    return run


def answer(printed):
    """What `curl -i` and `-I` print, taken apart: status line, headers by small name, body."""
    head, _, body = printed.partition("\r\n\r\n")
    if head.startswith("HTTP/1.1 100"):
        head, _, body = body.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return status, {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, body


@pytest.fixture(scope="module")
def session(cluster, curl):
    """The words that carry the token, and the account's URL."""
    status, headers, _ = answer(curl("-i", "-H", "X-Auth-User: test:tester", "-H", "X-Auth-Key: testing", cluster.auth_url))
    assert status == "HTTP/1.1 200 OK"
    assert headers["x-auth-token"] == headers["x-storage-token"] and int(headers["x-auth-token-expires"]) > 0
    return ["-H", f"X-Auth-Token: {headers['x-auth-token']}"], headers["x-storage-url"]


def test_auth(cluster, curl):
    old = answer(curl("-i", "-H", "X-Storage-User: test:tester", "-H", "X-Storage-Pass: testing", cluster.auth_url))
    assert old[0] == "HTTP/1.1 200 OK" and old[1]["x-storage-url"] == f"http://127.0.0.1:{cluster.port}/v1/AUTH_test"
    status, headers, body = answer(curl("-i", "-H", "X-Auth-User: test:tester", "-H", "X-Auth-Key: no", cluster.auth_url))
    assert status == "HTTP/1.1 401 Unauthorized" and "Unauthorized" in body
    assert headers["www-authenticate"] == 'Swift realm="test"'


def test_put_list_and_get(curl, session, tmp_path):
    token, url = session
    assert answer(curl("-i", "-X", "PUT", *token, f"{url}/photos"))[0] == "HTTP/1.1 201 Created"
    assert answer(curl("-i", "-X", "PUT", *token, f"{url}/photos"))[0] == "HTTP/1.1 202 Accepted"
    (tmp_path / "me.jpg").write_text("hello")
    for name in ("2011/a.jpg", "2011/b.jpg", "2012/a.jpg", "me.jpg"):
        status, headers, _ = answer(curl("-i", *token, "-T", str(tmp_path / "me.jpg"), f"{url}/photos/{name}"))
        assert status == "HTTP/1.1 201 Created" and headers["etag"] == "5d41402abc4b2a76b9719d911017c592"
    assert curl(*token, f"{url}/photos").splitlines() == ["2011/a.jpg", "2011/b.jpg", "2012/a.jpg", "me.jpg"]
    assert curl(*token, f"{url}/photos?prefix=2011/").splitlines() == ["2011/a.jpg", "2011/b.jpg"]
    assert curl(*token, f"{url}/photos?delimiter=/").splitlines() == ["2011/", "2012/", "me.jpg"]
    assert curl(*token, f"{url}/photos?prefix=2012/&delimiter=/").splitlines() == ["2012/a.jpg"]
    assert curl(*token, f"{url}/photos?limit=2&marker=2011/a.jpg").splitlines() == ["2011/b.jpg", "2012/a.jpg"]
    rows = json.loads(curl(*token, f"{url}/photos?format=json&prefix=me"))
    assert [(r["name"], r["bytes"], r["content_type"]) for r in rows] == [("me.jpg", 5, "image/jpeg")]
    assert curl(*token, f"{url}/photos/me.jpg") == "hello"
    assert answer(curl("-i", "-r", "1-3", *token, f"{url}/photos/me.jpg"))[::2] == ("HTTP/1.1 206 Partial Content", "ell")


def test_a_stream_of_unknown_length(curl, session):
    token, url = session
    curl("-X", "PUT", *token, f"{url}/streams")
    status, headers, _ = answer(curl("-i", *token, "-T", "-", f"{url}/streams/piped", stdin=b"x" * 200_000))
    assert status == "HTTP/1.1 201 Created"
    status, headers, _ = answer(curl("-I", *token, f"{url}/streams/piped"))
    assert (status, headers["content-length"]) == ("HTTP/1.1 200 OK", "200000")


def test_metadata_copy_and_delete(curl, session):
    token, url = session
    curl("-X", "PUT", *token, f"{url}/kept")
    curl("-X", "PUT", *token, "-H", "Content-Type: text/plain", "--data-binary", "hello", f"{url}/kept/o")
    assert answer(curl("-i", "-X", "POST", *token, "-H", "X-Object-Meta-Colour: blue", f"{url}/kept/o"))[0].endswith(" Accepted")
    copied = answer(curl("-i", "-X", "COPY", *token, "-H", "Destination: kept/copied", f"{url}/kept/o"))
    assert copied[0] == "HTTP/1.1 201 Created" and copied[1]["x-copied-from"] == "kept/o"
    assert answer(curl("-I", *token, f"{url}/kept/copied"))[1]["x-object-meta-colour"] == "blue"
    assert answer(curl("-i", "-X", "DELETE", *token, f"{url}/kept"))[0] == "HTTP/1.1 409 Conflict"
    for name in ("o", "copied"):
        assert answer(curl("-i", "-X", "DELETE", *token, f"{url}/kept/{name}"))[0] == "HTTP/1.1 204 No Content"
    assert answer(curl("-i", "-X", "DELETE", *token, f"{url}/kept"))[0] == "HTTP/1.1 204 No Content"
    assert answer(curl("-i", *token, f"{url}/kept"))[0] == "HTTP/1.1 404 Not Found"


def test_acls(cluster, curl, session):
    token, url = session
    curl("-X", "PUT", *token, f"{url}/public")
    curl("-X", "PUT", *token, "--data-binary", "hello", f"{url}/public/o")
    assert answer(curl("-i", f"{url}/public/o"))[0] == "HTTP/1.1 401 Unauthorized"
    posted = answer(curl("-i", "-X", "POST", *token, "-H", "X-Container-Read: .r:*", f"{url}/public"))
    assert posted[0] == "HTTP/1.1 204 No Content"
    assert curl(f"{url}/public/o") == "hello"
    assert answer(curl("-i", f"{url}/public"))[0] == "HTTP/1.1 401 Unauthorized"
    curl("-X", "POST", *token, "-H", "X-Container-Read: .r:*,.rlistings", f"{url}/public")
    assert curl(f"{url}/public") == "o\n"
    assert answer(curl("-I", *token, f"{url}/public"))[1]["x-container-read"] == ".r:*,.rlistings"
    other = answer(curl("-i", "-H", "X-Auth-User: test2:tester2", "-H", "X-Auth-Key: testing2", cluster.auth_url))[1]
    other = ["-H", f"X-Auth-Token: {other['x-auth-token']}"]
    put = ["-i", "-X", "PUT", *other, "--data-binary", "theirs", f"{url}/public/theirs"]
    assert answer(curl(*put))[0] == "HTTP/1.1 403 Forbidden"
    curl("-X", "POST", *token, "-H", "X-Container-Write: test2:tester2", f"{url}/public")
    assert answer(curl(*put))[0] == "HTTP/1.1 201 Created"


def test_st(cluster, tmp_path):
    """The client's name in the first talks."""
    (tmp_path / "st").symlink_to(VENV / "bin/swift")
    (tmp_path / "myfile").write_text("hello")

    def st(*words):
        argv = [str(tmp_path / "st"), "-A", cluster.auth_url, "-U", "test:tester", "-K", "testing", *words]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{cluster.tail()}"
        return done.stdout

    assert "Account: AUTH_test" in st("stat")
    assert st("upload", "myfiles", "myfile") == "myfile\n"
    assert "myfiles\n" in st("list") and st("list", "myfiles") == "myfile\n"
    assert "Read ACL: .r:*" in (st("post", "-r", ".r:*", "myfiles"), st("stat", "myfiles"))[1]
    (tmp_path / "myfile").unlink()
    st("download", "myfiles")
    assert (tmp_path / "myfile").read_text() == "hello"
    assert st("delete", "myfiles") == "myfile\nmyfiles\n"
    assert "myfiles\n" not in st("list")
