#!/usr/bin/env python3
"""Compares outcomes of the probe suite with Swift's own, test by test.

usage: compare.py OUTCOMES_DIR test_account_failures.py …   exit code 1 where a test that passes on Swift does not here
"""

import json
import pathlib
import sys

REFERENCE = pathlib.Path(__file__).resolve().parent / "swift-2.38.3-outcomes.json"


def main(outcomes, names):
    want = json.loads(REFERENCE.read_text())
    want = {t: o for t, o in want.items() if t.split("::")[0].rsplit("/", 1)[1] in names}
    got = {}
    for path in pathlib.Path(outcomes).glob("*.json"):
        got.update(json.loads(path.read_text()))
    missed = sorted(t for t, outcome in want.items() if outcome == "passed" and got.get(t) != "passed")
    for test in missed:
        print(f"{test}: {got.get(test, 'did not run')}")
    passed = sum(outcome == "passed" for outcome in got.values())
    print(f"probe: {passed} passed of {sum(o == 'passed' for o in want.values())} that pass on Swift, {len(missed)} differ")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
