#!/usr/bin/env python3
"""A cluster of both: nodes 1 and 2 run Python Swift, 3 and 4 ours, both proxies on the same rings and devices, replicated
by rsync as Swift's default is (root: namespaces of its own).

usage: run.py [--objects 1000] [--seed N] [--files test/functional/test_object.py,…] [--python-alone] [part ...]

No part: all of them. `--python-alone` runs the same with Python Swift on all nodes: the yardstick for what is Swift's way
and what is a fault of ours.
"""

import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.mixed.parts import PARTS  # noqa: E402
from tests.support import saio  # noqa: E402

MIXED = {1: "python", 2: "python", 3: "ours", 4: "ours"}
PYTHON_ALONE = dict.fromkeys(saio.NODES, "python")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--files", type=lambda text: text.split(","), help="of the functional suite, by commas; else all")
    parser.add_argument("--python-alone", action="store_true", help="Python Swift on all nodes, and its proxy alone")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    saio.in_own_namespaces()
    print(f"seed {args.seed}", flush=True)
    well = True
    who, proxies = (PYTHON_ALONE, ("python",)) if args.python_alone else (MIXED, ("ours", "python"))
    for name in args.parts or PARTS:
        with saio.Saio(who, sync_method="rsync", proxies=proxies) as cluster:
            begun = time.monotonic()
            figure, wrong = PARTS[name](cluster, args)
            print(f"{name}: {figure}; {len(wrong)} wrong, {time.monotonic() - begun:.0f} s", flush=True)
            print(*wrong[:40], sep="\n", end="\n" if wrong else "")
            if wrong:
                cluster.keep_logs("mixed-" + name)
            well = well and not wrong
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
