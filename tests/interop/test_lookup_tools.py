"""Swift's lookup tools and ours, run with the same arguments on the same rings, objects and databases: the same output
and exit code, to the byte."""

import hashlib
import os
import pickle
import shutil
import sqlite3

import pytest


BODY = b"0123456789" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ("account.ring.gz", "AUTH_test"),
        ("account.ring.gz", "AUTH_test", "c"),
        ("container.ring.gz", "-a", "AUTH_ü", "ç ~"),
        ("container.ring.gz", "-p", "7"),
        ("object.ring.gz", "-a", "AUTH_test", "c", "ö%20+&'\""),
        ("object.ring.gz", "-Q", "/AUTH_test/c/ö%20+&'\"/"),
        ("object.ring.gz", "-p", "4294967000", "-a"),
        ("object.ring.gz", "-p7", "a", "c"),
        ("object.ring.gz", "a", "c", "o", "p"),
        ("object.ring.gz", "a", "", "o"),
        ("object.ring.gz", "", "c"),
        ("object.ring.gz", ""),
        ("object.ring.gz",),
    ],
    ids=repr,
)
def test_get_nodes_in_a_ring(tools, etc, arguments):
    ring, *rest = arguments
    tools.same("swift-get-nodes", "-d", etc, etc / ring, *rest)


@pytest.mark.parametrize(
    "arguments",
    [("a",), ("a", "c"), ("-a", "a/c/o/p q"), ("--part=0",), ("--part", "0", "-Q", "%c3%bc"), ("a", "c", "o", "p"), ()],
    ids=repr,
)
def test_get_nodes_of_a_policy(tools, etc, arguments):
    tools.same("swift-get-nodes", "--swift-dir", etc, "-P", "silver", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-h",),
        ("AUTH_test",),
        ("-P", "no such", "AUTH_test"),
        ("-P", "it's", "AUTH_test"),
        ("/no/such.ring.gz", "AUTH_test"),
        ("--p", "1"),
        ("-x",),
        ("-p",),
        ("--all=1",),
    ],
    ids=repr,
)
def test_get_nodes_refuses(tools, etc, arguments):
    tools.same("swift-get-nodes", "-d", etc, *arguments)


def object_file(folder, metadata, body=BODY, name="1700000000.12345.data"):
    """An object file as Swift writes one, with this metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(body)
    fields = {k.encode(): v.encode() for k, v in metadata.items()}
    pickled = pickle.dumps(fields, 2)
    os.setxattr(path, "user.swift.metadata", pickled)
    os.setxattr(path, "user.swift.metadata_checksum", hashlib.md5(pickled).hexdigest().encode())
    return path


WHOLE = {
    "name": "/AUTH_tëst/c/o/p ü",
    "X-Timestamp": "1700000000.12345",
    "ETag": hashlib.md5(BODY).hexdigest(),
    "Content-Length": str(len(BODY)),
    "Content-Type": "text/plain",
}
CRYPTO = "%7B%22key_id%22%3A+%7B%22v%22%3A+%222%22%2C+%22path%22%3A+%22%2Fa%2Fc%2F%C3%BC%22%7D%2C+%22iv%22%3A+%22abc%3D%22%7D"
OBJECTS = {
    "whole": WHOLE,
    "metadata": {
        **WHOLE,
        "X-Object-Meta-Shape": "round",
        "x-object-meta-colour": "red",
        "X-Object-Meta-": "nameless",
        "X-Object-Sysmeta-Ec-Etag": "x",
        "X-Object-Transient-Sysmeta-T": "t",
        "X-Delete-At": "1999999999",
        "Content-Encoding": "gzip",
    },
    "encrypted": {
        **WHOLE,
        "X-Object-Sysmeta-Crypto-Body-Meta": CRYPTO,
        "X-Object-Transient-Sysmeta-Crypto-Meta": CRYPTO,
    },
    "encrypted badly": {**WHOLE, "X-Object-Sysmeta-Crypto-Body-Meta": "nonsense"},
    "other etag": {**WHOLE, "ETag": "0" * 32},
    "other length": {**WHOLE, "Content-Length": "7"},
    "length of letters": {**WHOLE, "Content-Length": "x"},
    "tombstone": {"name": "/a/c/o", "X-Timestamp": "1700000000.12345_0000000000000001"},
    "no name": {"X-Timestamp": "1700000000.12345"},
    "bad name": {**WHOLE, "name": "/a/c"},
    "bad time": {**WHOLE, "X-Timestamp": "yesterday"},
    "no time": {"name": "/a/c/o"},
    "empty": {},
}


@pytest.mark.parametrize("which", OBJECTS)
def test_object_info(tools, etc, tmp_path, which):
    path = object_file(tmp_path / "sda" / "objects" / "0", OBJECTS[which])
    tools.same("swift-object-info", "-d", etc, path)


@pytest.mark.parametrize("options", [("-n",), ("--drop-prefixes",), ("-P", "no such"), ("--no-check", "--drop")], ids=repr)
@pytest.mark.parametrize("which", ["metadata", "encrypted"])
def test_object_info_options(tools, etc, tmp_path, which, options):
    path = object_file(tmp_path / "sda" / "objects-1" / "0", OBJECTS[which])
    tools.same("swift-object-info", "-d", etc, *options, path)


def test_object_info_of_damaged_files(tools, etc, tmp_path):
    same = lambda path: tools.same("swift-object-info", "-d", etc, path)  # noqa: E731
    truncated = object_file(tmp_path / "truncated", WHOLE, BODY[:777])
    assert "doesn't match file length of 777" in same(truncated)
    bare = object_file(tmp_path / "bare", WHOLE)
    os.removexattr(bare, "user.swift.metadata")
    os.removexattr(bare, "user.swift.metadata_checksum")
    assert same(bare) == "Invalid metadata\n"
    changed = object_file(tmp_path / "changed", WHOLE)
    os.setxattr(changed, "user.swift.metadata", pickle.dumps({b"name": b"/a/c/other"}, 2))
    same(changed)
    same(tmp_path)
    assert same(tmp_path / "missing") == "Data file doesn't exist\n"


@pytest.mark.parametrize("arguments", [(), ("-h",), ("a", "b"), ("-q", "a")], ids=repr)
@pytest.mark.parametrize("kind", ["object", "container", "account"])
def test_info_tools_want_one_file(tools, etc, kind, arguments):
    tools.same(f"swift-{kind}-info", "-d", etc, *arguments)


@pytest.fixture(scope="module")
def stored(cluster, swift, tmp_path_factory):
    """A container with metadata and an object, another that is deleted."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "o").write_bytes(BODY)
    swift("post", "löokup", "-r", ".r:*", "-H", "X-Container-Meta-Colour: red", "-H", "X-Container-Meta-Gone: x")
    swift("post", "löokup", "-H", "X-Container-Meta-Gone:")
    swift("upload", "löokup", "o", cwd=folder)
    swift("post", "deleted")
    swift("delete", "deleted")
    swift("post", "-m", "Shape: round")


def databases(cluster, kind):
    """One copy of each database of a kind; copies, as Python's tools merge what waits into what they look at."""
    return {path.name: path for path in sorted(cluster.data.glob(f"*/*/{kind}/*/*/*/*.db"))}.values()


def contents(folder):
    """Every file in a folder, with its bytes and time of change."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def same_of_database(tools, etc, kind, path, *options):
    """Compares both programs on a database; ours, which runs first, must not touch it."""
    before = contents(path.parent)
    tools.ours(f"swift-{kind}-info", "-d", etc, *options, path)
    assert contents(path.parent) == before
    return tools.same(f"swift-{kind}-info", "-d", etc, *options, path)


@pytest.mark.parametrize("options", [(), ("--drop-prefixes", "-s")], ids=repr)
@pytest.mark.parametrize("kind", ["account", "container"])
def test_database_info(tools, etc, cluster, stored, tmp_path, kind, options):
    said = ""
    for at, path in enumerate(databases(cluster, f"{kind}s")):
        copy = shutil.copytree(path.parent, tmp_path / str(at) / path.parent.name) / path.name
        said += same_of_database(tools, etc, kind, copy, *options)
    if kind == "container":
        assert "Deleted: True" in said and "Deleted: False" in said and "Colour: red" in said


@pytest.fixture
def container(cluster, stored, tmp_path):
    """A copy of a container's database."""
    path = next(iter(databases(cluster, "containers")))
    return shutil.copytree(path.parent, tmp_path / path.parent.name) / path.name


@pytest.mark.parametrize("options", [(), ("-v",)], ids=repr)
def test_container_info_of_shards(tools, etc, container, options):
    with sqlite3.connect(container) as database:
        columns = "name, timestamp, lower, upper, object_count, bytes_used, meta_timestamp, state, state_timestamp"
        for at, (lower, upper) in enumerate([("", "it's"), ("it's", "ü\n"), ("ü\n", "")]):
            row = (f".shards_a/c-{at}", f"170000000{at}.00000", lower, upper, at, at * 7, "1700000009.00001", 40, "0")
            database.execute(f"INSERT INTO shard_range ({columns}) VALUES ({', '.join('?' * 9)})", row)
        sync = "INSERT INTO incoming_sync (remote_id, sync_point) VALUES (?, ?)"
        database.execute(sync, ("0a8ab9f4-58d7-4ae6-a86d-1d0a1b1d4b5f-sdb1", 12345678901))
        database.execute("UPDATE container_info SET storage_policy_index = 7")
    assert "Shard Ranges (3):" in same_of_database(tools, etc, "container", container, "-s", *options)


def test_database_info_of_the_wrong_kind(tools, etc, container):
    said = same_of_database(tools, etc, "account", container)
    assert said.startswith('Does not appear to be a DB of type "account": ')
    tools.same("swift-container-info", "-d", etc, os.path.relpath(container, tools.data))
    tools.same("swift-container-info", "-d", etc, container.parent / "missing.db")
    tools.same("swift-container-info", "-d", etc, container.parent)


@pytest.mark.parametrize("damage", [b"garbage" * 500, b""], ids=["garbage", "empty"])
def test_database_info_of_damaged_files(tools, etc, container, damage):
    container.write_bytes(damage)
    same_of_database(tools, etc, "container", container)


def test_database_info_of_a_locked_file(tools, etc, container):
    writer = sqlite3.connect(container, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    assert "WARNING: Possibly Stale Data" in tools.same("swift-container-info", "-d", etc, container, at_once=True)
    writer.close()
