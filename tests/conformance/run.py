#!/usr/bin/env python3
"""Swift's own functional suite against `swiftlet dev`, compared test by test with what Swift itself scores.

usage: run.py [--manifest FILE] [--disk ext4|xfs] [--node-down] [--runs N]
              [files of test/functional] [pytest's own options, -k for example]

Without files it runs all but those of s3api. `--disk` puts all data on that file system, `--node-down` leaves one of the
three storage nodes out of reach (both need root); `--runs` begins anew so many times and wants the same outcome each
time. A test that passes on Python Swift must pass here.
"""

import argparse
import configparser
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.support.dev import ROOT, DevCluster, tail  # noqa: E402
from tests.support.disk import Disk  # noqa: E402
from tests.support.users import FUNC_TEST  # noqa: E402

# Large objects of the suite, three times.
DISK_SIZE = "16G"
NODE_DOWN = "rack2-0"
OWN_NETWORK = "CONFORMANCE_OWN_NETWORK"
OUT = ROOT / "target/conformance"
OUTCOMES = OUT / "outcomes.json"
LOG = OUT / "cluster.log"
TEST_CONF = "[func_test]\nauth_uri = http://127.0.0.1:{port}/auth/v1.0\n" + FUNC_TEST


def reference():
    """Outcome by test id, of Swift itself."""
    outcomes = json.loads((HERE / "swift-2.38.3-outcomes.json").read_text())
    return outcomes["test/functional"]


@contextlib.contextmanager
def running(args):
    """A cluster as the arguments want it."""
    with contextlib.ExitStack() as stack:
        OUT.mkdir(parents=True, exist_ok=True)
        LOG.unlink(missing_ok=True)
        where = {"log": LOG}
        if args.disk:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swiftlet-conformance-")))
            disk = stack.enter_context(Disk(args.disk, folder, size=DISK_SIZE))
            where["data"] = disk.path / "data"
        cluster = stack.enter_context(DevCluster(manifests=args.manifest, **where))
        if args.node_down:
            cut_off(cluster, NODE_DOWN)
        yield cluster


def cut_off(cluster, node):
    """Takes the way to a node's address, in this network namespace of our own."""
    conf = configparser.RawConfigParser()
    conf.read(cluster.data / "etc/object-server" / f"{node}.conf")
    address = conf["DEFAULT"]["bind_ip"]
    subprocess.run(["ip", "route", "add", "unreachable", address, "table", "local"], check=True)


def in_own_network():
    """Starts this program again where nothing but it uses the loopback addresses."""
    argv = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv]
    os.execvpe(argv[0], argv, dict(os.environ, **{OWN_NETWORK: "1"}))


def run_suite(port, paths, extra, record):
    """Runs pytest on `paths` of the sdist against the proxy at `port`; outcome by test id."""
    sdist = pathlib.Path(os.environ.get("SWIFT_SDIST", ROOT / "target/swift-2.38.3"))
    venv = pathlib.Path(os.environ.get("SWIFT_TEST_VENV", ROOT / "target/venv"))
    conf = record.with_suffix(".conf")
    conf.write_text(TEST_CONF.format(port=port))
    env = dict(os.environ, SWIFT_TEST_CONFIG_FILE=str(conf), SWIFT_TEST_IN_PROCESS="0",
               CONFORMANCE_RECORD=str(record), PYTHONPATH=f"{HERE}{os.pathsep}{sdist}")
    argv = [str(venv / "bin/python"), "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:requests_mock", "-p", "record",
            "-q", "--tb=short", "-o", "python_files=test*.py", *paths, *extra]
    log = record.with_suffix(".log")
    with open(log, "wb") as out:
        subprocess.run(argv, cwd=sdist, env=env, stdout=out, stderr=subprocess.STDOUT, check=False)
    print(f"pytest's own output: {log}", flush=True)
    return json.loads(record.read_text()) if record.exists() else {}


def compare(got, want):
    """Prints what passes on Swift and not here; how many."""
    missed = sorted(test for test, outcome in want.items() if outcome == "passed" and got.get(test) != "passed")
    for test in missed:
        print(f"{test}: {got.get(test, 'did not run')}")
    return len(missed)


def explain(cluster):
    """Prints what pytest and the cluster said, for whoever has no more than this output."""
    print(f"the end of pytest's output:\n{tail(OUTCOMES.with_suffix('.log'), 100)}\nthe cluster's warnings:\n{cluster.tail(100)}", flush=True)


def parse(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--manifest", action="append", default=[], help="run on this manifest instead of the embedded one")
    parser.add_argument("--disk", choices=["ext4", "xfs"], help="all data on this file system, mounted by loop")
    parser.add_argument("--node-down", action="store_true", help="one storage node of three is out of reach")
    parser.add_argument("--runs", type=int, default=1, help="how many times, all with the same outcome")
    args, extra = parser.parse_known_args(argv)
    args.files = [a for a in extra if not a.startswith("-") and a.split("::")[0].endswith(".py")]
    args.pytest = [a for a in extra if a not in args.files]
    return args


def run_once(args, names, want):
    """Runs the suite on a new cluster: how many tests count against us, and the outcomes."""
    with running(args) as cluster:
        got = run_suite(cluster.port, [f"test/functional/{name}" for name in names], args.pytest, OUTCOMES)
        peak_mib = cluster.rss_kib()[1] // 1024
        bad = 0 if args.pytest else compare(got, want)
        if bad:
            explain(cluster)
    passed = sum(o == "passed" for o in got.values())
    failed = sum(o == "failed" for o in got.values())
    print(f"functional: {passed} passed, {failed} failed, {bad} differ from Swift; peak memory {peak_mib} MiB", flush=True)
    return bad if got else 1, got


def main():
    args = parse(sys.argv[1:])
    if (args.disk or args.node_down) and os.geteuid() != 0:
        raise SystemExit("--disk mounts file systems, --node-down has a network of its own: run it as root")
    if args.node_down and OWN_NETWORK not in os.environ:
        in_own_network()
    want = reference()
    names = args.files or sorted({t.split("::")[0].rsplit("/", 1)[1] for t in want if "/s3api/" not in t})
    want = {t: o for t, o in want.items() if any(t.startswith(f"test/functional/{name}") for name in names)}
    bad, first = run_once(args, names, want)
    for run in range(2, args.runs + 1):
        again, got = run_once(args, names, want)
        unlike = sorted(t for t in first.keys() | got.keys() if first.get(t) != got.get(t))
        print(*(f"{t}: {first.get(t)}, in run {run} {got.get(t)}" for t in unlike), sep="\n", end="\n" if unlike else "")
        bad += again + len(unlike)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
