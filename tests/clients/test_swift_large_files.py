"""The `swift` command's large files: segments, resuming, what has not changed; and what it asks of a cluster."""

import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest
import requests

from tests.conftest import VENV

SEGMENT_BYTES = 1 << 20
# Not a multiple: the last segment is shorter.
LARGE_BYTES = 5 * SEGMENT_BYTES + 12345
SEGMENTS = 6


@pytest.fixture
def large(tmp_path):
    """A folder with one file `large`."""
    (tmp_path / "large").write_bytes(os.urandom(LARGE_BYTES))
    return tmp_path


def names(swift, container):
    return swift("list", container).splitlines()


@pytest.mark.parametrize("kind", ["dlo", "slo"])
def test_a_file_in_segments(swift, large, kind):
    container = f"in-{kind}"
    options = ["--use-slo"] if kind == "slo" else []
    swift("upload", *options, "--segment-size", SEGMENT_BYTES, container, "large", cwd=large)
    assert len(names(swift, f"{container}_segments")) == SEGMENTS
    assert f"Content Length: {LARGE_BYTES}" in swift("stat", container, "large")
    swift("download", container, "large", "-o", large / "back", cwd=large)
    assert (large / "back").read_bytes() == (large / "large").read_bytes()
    # deleting the manifest deletes what it stands for
    swift("delete", container, "large")
    assert names(swift, container) == names(swift, f"{container}_segments") == []


def test_an_upload_that_broke_off_goes_on(swift, large):
    (large / "small").write_text("small")
    upload = ["upload", "--use-slo", "--segment-size", SEGMENT_BYTES, "--skip-identical", "resumed", "large", "small"]
    swift(*upload, cwd=large)
    segments = names(swift, "resumed_segments")
    large_before = stamp(swift("stat", "resumed", "large"))
    # as if it had broken off before the last file
    swift("delete", "resumed", "small")
    swift(*upload, cwd=large)
    assert names(swift, "resumed") == ["large", "small"]
    assert names(swift, "resumed_segments") == segments
    assert stamp(swift("stat", "resumed", "large")) == large_before
    swift("download", "resumed", "large", "-o", large / "back")
    assert (large / "back").read_bytes() == (large / "large").read_bytes()


def test_changed_sends_what_is_newer(swift, tmp_path):
    path = tmp_path / "note"
    path.write_text("first")
    upload = ["upload", "--changed", "notes", "note"]
    assert "note" in swift(*upload, cwd=tmp_path)
    first = swift("stat", "notes", "note")
    swift(*upload, cwd=tmp_path)
    assert stamp(swift("stat", "notes", "note")) == stamp(first)
    time.sleep(0.01)
    path.write_text("second")
    swift(*upload, cwd=tmp_path)
    assert stamp(swift("stat", "notes", "note")) != stamp(first)
    assert swift("download", "notes", "note", "-o", "-") == "second"


def stamp(stat):
    return re.search(r"X-Timestamp: (\S+)", stat)[1]


def test_acls_that_were_posted_hold(cluster, swift, tmp_path):
    (tmp_path / "o").write_text("hello")
    swift("upload", "shared", "o", cwd=tmp_path)
    url = f"http://127.0.0.1:{cluster.port}/v1/AUTH_test/shared"
    assert requests.get(f"{url}/o", timeout=30).status_code == 401
    swift("post", "shared", "-r", ".r:*,.rlistings")
    assert requests.get(f"{url}/o", timeout=30).text == "hello"
    assert requests.get(url, timeout=30).text == "o\n"
    assert requests.put(f"{url}/p", data="x", timeout=30).status_code == 401
    # the command looks at an object before it writes it
    swift("post", "shared", "-r", "test2:tester2,test:tester3", "-w", "test:tester3")
    assert requests.get(f"{url}/o", timeout=30).status_code == 401
    reader = dict(user="test2:tester2", key="testing2")
    writer = dict(user="test:tester3", key="testing3")
    other = ["--os-storage-url", url.rsplit("/", 1)[0]]
    assert swift(*other, "download", "shared", "o", "-o", "-", **reader) == "hello"
    (tmp_path / "p").write_text("more")
    swift(*other, "upload", "shared", "p", cwd=tmp_path, **writer)
    assert names(swift, "shared") == ["o", "p"]


def test_tempurl(cluster, swift, tmp_path):
    (tmp_path / "o").write_text("signed")
    swift("upload", "temp", "o", cwd=tmp_path)
    swift("post", "-m", "Temp-URL-Key: secret")
    for digest in ["sha256", "sha512"]:
        path = swift("tempurl", "--digest", digest, "GET", 60, "/v1/AUTH_test/temp/o", "secret").strip()
        got = requests.get(f"http://127.0.0.1:{cluster.port}{path}", timeout=30)
        assert (got.status_code, got.text) == (200, "signed")
        put = requests.put(f"http://127.0.0.1:{cluster.port}{path}", data="x", timeout=30)
        assert put.status_code == 401
    prefix = swift("tempurl", "--prefix-based", "GET", 60, "/v1/AUTH_test/temp/", "secret").strip()
    query = urllib.parse.urlsplit(prefix).query
    got = requests.get(f"http://127.0.0.1:{cluster.port}/v1/AUTH_test/temp/o?{query}", timeout=30)
    assert (got.status_code, got.text) == (200, "signed")


def test_what_the_cluster_can_do(cluster, swift):
    told = json.loads(swift("capabilities", "--json"))
    assert told == requests.get(f"http://127.0.0.1:{cluster.port}/info", timeout=30).json()
    assert {"swift", "slo", "tempurl", "bulk_upload", "symlink"} <= set(told)
    assert swift("info").startswith("Core: swift")
    # without a user too
    argv = [str(VENV / "bin/swift"), "capabilities", f"http://127.0.0.1:{cluster.port}/v1/"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert "Additional middleware: slo" in done.stdout
