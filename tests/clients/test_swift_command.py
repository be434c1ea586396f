"""The `swift` command against a dev cluster: a folder of a thousand files and one file of a gibibyte."""

import hashlib
import os

import pytest

SMALL_FILES = 1000
LARGE_BYTES = 1 << 30
# What the whole process may hold while a gibibyte streams through it.
MEMORY_LIMIT_KIB = 150 * 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder `many/` of small files in two levels."""
    top = tmp_path_factory.mktemp("upload")
    for n in range(SMALL_FILES):
        path = top / "many" / f"dir{n % 10}" / f"file {n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {n}\n" * (n % 7 + 1))
    return top


def test_a_folder_of_a_thousand_files(swift, folder, tmp_path):
    swift("upload", "-q", "thousand", "many", cwd=folder)
    names = swift("list", "thousand").splitlines()
    assert len(names) == SMALL_FILES and names == sorted(names)
    assert f"Objects: {SMALL_FILES}" in swift("stat", "thousand")
    swift("download", "-q", "thousand", "--prefix", "many/dir3/", "-D", tmp_path)
    got = {str(p.relative_to(tmp_path)): p.read_text() for p in tmp_path.rglob("*.txt")}
    want = {str(p.relative_to(folder)): p.read_text() for p in (folder / "many/dir3").rglob("*.txt")}
    assert got == want


def test_post_copy_delete(swift, folder, tmp_path):
    (tmp_path / "o").write_text("hello")
    swift("upload", "-q", "kept", "o", cwd=tmp_path)
    swift("post", "kept", "o", "-m", "Colour: blue")
    assert "Meta Colour: blue" in swift("stat", "kept", "o")
    swift("copy", "-d", "/kept/copied", "kept", "o")
    assert swift("list", "kept").splitlines() == ["copied", "o"]
    assert swift("download", "kept", "copied", "-o", "-") == "hello"
    assert "Meta Colour: blue" in swift("stat", "kept", "copied")
    swift("post", "kept", "-r", ".r:*,.rlistings", "-w", "test2:tester2")
    assert "Read ACL: .r:*,.rlistings" in swift("stat", "kept")
    swift("delete", "-q", "kept")
    assert "kept" not in swift("list").splitlines()


def test_a_gibibyte_streams(cluster, swift, tmp_path):
    block, digest = os.urandom(1 << 20), hashlib.md5()
    with open(tmp_path / "large", "wb") as f:
        for n in range(LARGE_BYTES >> 20):
            piece = n.to_bytes(8, "big") + block[8:]
            digest.update(piece)
            f.write(piece)
    swift("upload", "-q", "big", "large", cwd=tmp_path)
    assert f"ETag: {digest.hexdigest()}" in swift("stat", "big", "large")
    (tmp_path / "large").unlink()
    swift("download", "-q", "big", "large", "-o", tmp_path / "back")
    with open(tmp_path / "back", "rb") as f:
        assert hashlib.file_digest(f, "md5").hexdigest() == digest.hexdigest()
    _, peak_kib = cluster.rss_kib()
    swift("delete", "-q", "big")
    assert peak_kib < MEMORY_LIMIT_KIB, f"{peak_kib // 1024} MiB"
