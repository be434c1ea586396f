"""rclone's swift backend: folders kept in step, checked, copied and removed."""

import os
import shutil
import subprocess

import pytest

# Larger files go in segments of this size.
CHUNK = "1Mi"
LARGE_BYTES = 3 * (1 << 20) + 77


@pytest.fixture(scope="module")
def rclone(cluster):
    """The command with the remote `swift:`; gives standard output and error."""
    assert shutil.which("rclone"), "rclone is not installed: tests/setup/apt.sh rclone"
    env = dict(os.environ, RCLONE_CONFIG="/dev/null", RCLONE_CONFIG_SWIFT_TYPE="swift",
               RCLONE_CONFIG_SWIFT_USER="test:tester", RCLONE_CONFIG_SWIFT_KEY="testing",
               RCLONE_CONFIG_SWIFT_AUTH=cluster.auth_url, RCLONE_SWIFT_CHUNK_SIZE=CHUNK)

    def run(*args, ok=(0,)):
        done = subprocess.run(["rclone", *map(str, args)], capture_output=True, text=True, env=env, timeout=300,
                              check=False)
        assert done.returncode in ok, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}\n{cluster.tail()}"
        return done.stdout + done.stderr

    return run


@pytest.fixture
def folder(tmp_path):
    """Files of many sizes, one of them in segments, with names that need quoting."""
    top = tmp_path / "folder"
    for n in range(60):
        path = top / f"dir {n % 3}" / f"file #{n} ü%20.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(n * 100))
    (top / "large").write_bytes(os.urandom(LARGE_BYTES))
    return top


def listed(rclone, remote):
    return sorted(line for line in rclone("lsf", "-R", "--files-only", remote).splitlines() if line)


def test_sync_check_copy_delete(rclone, folder, tmp_path):
    rclone("sync", folder, "swift:synced")
    want = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert listed(rclone, "swift:synced") == want
    rclone("check", folder, "swift:synced")
    # what changes here changes there, what goes here goes there
    (folder / "dir 0" / "new").write_text("new")
    (folder / "large").unlink()
    rclone("sync", "--checksum", folder, "swift:synced")
    assert "large" not in listed(rclone, "swift:synced")
    rclone("check", "--download", folder, "swift:synced")
    # back, and between containers without passing through here
    rclone("copy", "swift:synced", tmp_path / "back")
    rclone("check", tmp_path / "back", "swift:synced")
    rclone("copy", "swift:synced/dir 1", "swift:copied/deep/er")
    assert len(listed(rclone, "swift:copied")) == 20
    (folder / "dir 0" / "new").write_text("changed")
    rclone("check", folder, "swift:synced", ok=(1,))
    rclone("delete", "swift:copied")
    assert listed(rclone, "swift:copied") == []
    rclone("purge", "swift:synced")
    assert "synced" not in rclone("lsd", "swift:").split()


def test_a_large_file_goes_in_segments(rclone, folder, tmp_path):
    rclone("copy", folder / "large", "swift:segmented")
    assert len(listed(rclone, "swift:segmented_segments")) == 4
    assert f"{LARGE_BYTES} large" in rclone("ls", "swift:segmented")
    rclone("copy", "swift:segmented/large", tmp_path / "back")
    assert (tmp_path / "back" / "large").read_bytes() == (folder / "large").read_bytes()
    rclone("moveto", "swift:segmented/large", "swift:segmented/moved")
    rclone("copyto", "swift:segmented/moved", tmp_path / "moved")
    assert (tmp_path / "moved").read_bytes() == (folder / "large").read_bytes()
    rclone("deletefile", "swift:segmented/moved")
    assert listed(rclone, "swift:segmented_segments") == []
