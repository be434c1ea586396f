#!/usr/bin/env python3
"""kill -9 of a whole `swiftlet dev` at random instants under a PUT/DELETE load, then a look at every object.

usage: kill9.py [--kills 200] [--seed N] [--workers 8] [--strict-listing]

Read with X-Newest, after every restart; at the end the updaters run and the listing must agree with the objects.
"""

import argparse
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.chaos.load import Load  # noqa: E402
from tests.support.dev import DevCluster  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--strict-listing", action="store_true",
                        help="the listing must also know of writes that were cut off before their answer")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with DevCluster() as cluster:
        load, began = Load(cluster, args.workers, random.Random(args.seed)), time.monotonic()
        for kill in range(1, args.kills + 1):
            load.run_until(cluster.kill)
            cluster.start()
            wrong = load.check()
            if wrong:
                print(f"after kill {kill}:", *wrong, cluster.tail(), sep="\n")
                return 1
            if kill % 20 == 0:
                print(f"{kill} kills, {load.acknowledged} acknowledged writes, {time.monotonic() - began:.0f} s",
                      flush=True)
        wrong = load.check(only_touched=False)
        differ, behind = load.check_listing(args.strict_listing)
        wrong += differ
        print(*wrong, sep="\n")
        print(f"{args.kills} kills, {load.acknowledged} acknowledged writes, {len(wrong)} wrong; "
              f"the listing has not heard of {behind} writes that got no answer")
        return 1 if wrong or not load.acknowledged else 0


if __name__ == "__main__":
    sys.exit(main())
