"""Backup programs with a swift backend: restic and duplicity."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture
def folder(tmp_path):
    """What is backed up."""
    top = tmp_path / "home"
    for n in range(40):
        path = top / f"dir{n % 4}" / f"file {n}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(n * 5000))
    return top


def contents(top):
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


def command(cluster, name, env, *args):
    """Runs an installed program; its standard output."""
    assert shutil.which(name), f"{name} is not installed: tests/setup/apt.sh {name}"
    done = subprocess.run([name, *map(str, args)], capture_output=True, text=True, env=env, timeout=300, check=False)
    assert done.returncode == 0, f"{name} {args}: {done.stdout}{done.stderr}\n{cluster.tail()}"
    return done.stdout


def test_restic(cluster, folder, tmp_path):
    env = dict(os.environ, ST_AUTH=cluster.auth_url, ST_USER="test:tester", ST_KEY="testing", RESTIC_PASSWORD="secret",
               RESTIC_REPOSITORY="swift:restic:/repo", RESTIC_CACHE_DIR=str(tmp_path / "cache"))

    def restic(*args):
        return command(cluster, "restic", env, *args)

    restic("init")
    restic("backup", folder)
    first = contents(folder)
    (folder / "dir1" / "file 1").unlink()
    (folder / "dir2" / "new").write_bytes(os.urandom(300_000))
    restic("backup", folder)
    restic("check", "--read-data")
    assert len(restic("snapshots", "--compact").split("\n" + "-" * 10)) >= 2
    restic("restore", "latest", "--target", tmp_path / "latest")
    assert contents(tmp_path / "latest" / folder.relative_to("/")) == contents(folder)
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    (folder / "dir1" / "file 1").write_bytes(first["dir1/file 1"])
    restic("restore", "latest", "--target", tmp_path / "after")
    assert contents(tmp_path / "after" / folder.relative_to("/")) == contents(tmp_path / "latest" / folder.relative_to("/"))


def test_duplicity(cluster, folder, tmp_path):
    # It asks for its options twice, in its own words and in those of the swift command.
    env = dict(os.environ, SWIFT_AUTHURL=cluster.auth_url, SWIFT_USERNAME="test:tester", SWIFT_PASSWORD="testing",
               ST_AUTH=cluster.auth_url, ST_USER="test:tester", ST_KEY="testing", HOME=str(tmp_path))

    def duplicity(*args):
        # volumes of a mebibyte: several objects, as large backups have
        return command(cluster, "duplicity", env, *args, "--no-encryption", "--archive-dir", tmp_path / "archive")

    url = "swift://duplicity"
    duplicity("full", "--volsize", "1", folder, url)
    first = contents(folder)
    (folder / "dir3" / "file 3").write_text("changed")
    duplicity("incremental", folder, url)
    duplicity("verify", url, folder)
    duplicity("restore", url, tmp_path / "latest")
    assert contents(tmp_path / "latest") == contents(folder)
    assert contents(tmp_path / "latest") != first
    # a machine that has nothing but the backup
    shutil.rmtree(tmp_path / "archive")
    assert "Number of contained backup sets: 2" in duplicity("collection-status", url)
    duplicity("remove-all-but-n-full", "1", "--force", url)
