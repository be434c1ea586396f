#!/usr/bin/env python3
"""Swift's own functional suite against `swiftlet dev`, compared test by test with what Swift itself scores.

usage: run.py [--all] [--manifest FILE] [files of test/functional] [pytest's own options, -k for example]

Without files it runs those of MODULES. A test that passes on Python Swift must pass here, unless `not-yet.txt`
names it (with the filter it needs); one that is named there and passes is an error too, so the list only shrinks.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.support.dev import ROOT, DevCluster  # noqa: E402

MODULES = ["test_account.py", "test_container.py", "test_object.py", "test_protocol.py", "tests.py",
           "test_access_control.py"]
TEST_CONF = """[func_test]
auth_uri = http://127.0.0.1:{port}/auth/v1.0
account = test
username = tester
password = testing
account2 = test2
username2 = tester2
password2 = testing2
username3 = tester3
password3 = testing3
account5 = test5
username5 = tester5
password5 = testing5
service_prefix = SERVICE
account6 = admin
username6 = admin
password6 = admin
collate = C
insecure = no
storage_domain = example.net
"""


def reference():
    """Outcome by test id, of Swift itself."""
    outcomes = json.loads((HERE / "swift-2.38.3-outcomes.json").read_text())
    return outcomes["test/functional"]


def not_yet():
    """The tests that need what is not built, and what that is."""
    rows = {}
    for line in (HERE / "not-yet.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            test, _, reason = line.partition("  ")
            rows[test] = reason.strip()
    return rows


def run_suite(cluster, paths, extra, record):
    """Runs pytest on `paths` of the sdist against the cluster; outcome by test id."""
    sdist = pathlib.Path(os.environ.get("SWIFT_SDIST", ROOT / "target/swift-2.38.3"))
    venv = pathlib.Path(os.environ.get("SWIFT_TEST_VENV", ROOT / "target/venv"))
    conf = cluster.data.parent / (cluster.data.name + "-test.conf")
    conf.write_text(TEST_CONF.format(port=cluster.port))
    env = dict(os.environ, SWIFT_TEST_CONFIG_FILE=str(conf), SWIFT_TEST_IN_PROCESS="0",
               CONFORMANCE_RECORD=str(record), PYTHONPATH=f"{HERE}{os.pathsep}{sdist}")
    argv = [str(venv / "bin/python"), "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:requests_mock", "-p", "record",
            "-q", "--tb=short", "-o", "python_files=test*.py", *paths, *extra]
    log = record.with_suffix(".log")
    with open(log, "wb") as out:
        subprocess.run(argv, cwd=sdist, env=env, stdout=out, stderr=subprocess.STDOUT, check=False)
    print(f"pytest's own output: {log}", flush=True)
    return json.loads(record.read_text()) if record.exists() else {}


def compare(got, want, waived):
    """Prints what differs from Swift; the number of differences that count."""
    bad = 0
    for test, outcome in sorted(want.items()):
        mine = got.get(test)
        if outcome != "passed" or (mine == "passed") == (test not in waived):
            continue
        if test in waived and mine == "passed":
            print(f"{test}: passes now, take it off not-yet.txt")
            bad += 1
        elif test not in waived:
            print(f"{test}: {mine or 'did not run'}")
            bad += 1
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="every file of test/functional but s3api")
    parser.add_argument("--manifest", action="append", default=[], help="run on this manifest instead of the embedded one")
    args, extra = parser.parse_known_args()
    files = [a for a in extra if not a.startswith("-") and a.split("::")[0].endswith(".py")]
    extra = [a for a in extra if a not in files]
    names = files or MODULES
    want = reference()
    if args.all:
        names = sorted({t.split("::")[0].rsplit("/", 1)[1] for t in want if "/s3api/" not in t})
    paths = [f"test/functional/{name}" for name in names]
    want = {t: o for t, o in want.items() if any(t.startswith(p) for p in paths)}
    with DevCluster(manifests=args.manifest) as cluster:
        out = ROOT / "target/conformance"
        out.mkdir(parents=True, exist_ok=True)
        got = run_suite(cluster, paths, extra, out / "outcomes.json")
        peak_mib = cluster.rss_kib()[1] // 1024
    bad = 0 if extra else compare(got, want, not_yet())
    passed = sum(o == "passed" for o in got.values())
    failed = sum(o == "failed" for o in got.values())
    waived = sum(t in not_yet() for t in want)
    print(f"functional: {passed} passed, {failed} failed ({waived} wait for what is not built), "
          f"{bad} differ from Swift; peak memory {peak_mib} MiB")
    return 1 if bad or not got else 0


if __name__ == "__main__":
    sys.exit(main())
