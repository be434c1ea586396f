"""What the Python-driven tests share: a dev cluster, the clients and Python Swift's tools. Run with the virtualenv of
tests/setup/swift.sh: `make interop`."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.support.dev import DevCluster  # noqa: E402
from tests.support.tools import Tools  # noqa: E402

VENV = pathlib.Path(os.environ.get("SWIFT_TEST_VENV", ROOT / "target/venv"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A dev cluster that the tests of one file share."""
    with DevCluster(data=tmp_path_factory.mktemp("dev") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def etc(cluster):
    """The folder of its configuration and rings."""
    return cluster.data / "etc"


@pytest.fixture(scope="module")
def tools(cluster):
    """Python Swift's tools and ours, on its configuration."""
    return Tools(cluster.data)


@pytest.fixture(scope="module")
def swift(cluster):
    """The `swift` command as test:tester; gives its standard output."""

    def run(*args, cwd=None, user="test:tester", key="testing"):
        argv = [str(VENV / "bin/swift"), "-A", cluster.auth_url, "-U", user, "-K", key, *map(str, args)]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}\n{cluster.tail()}"
        return done.stdout

    return run


@pytest.fixture(scope="module")
def python_tool(cluster):
    """A tool of Python Swift pointed at the cluster's etc/; gives its standard output."""

    def run(name, *args, ok=(0,)):
        argv = [str(VENV / "bin/python"), str(ROOT / "tests/peer/bin/sw"), name, *map(str, args)]
        env = dict(os.environ, SAIO_SWIFT_DIR=str(cluster.data / "etc"), SAIO_BIN=str(VENV / "bin"), SAIO=str(cluster.data))
        done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60, check=False)
        assert done.returncode in ok, f"{name} {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run
