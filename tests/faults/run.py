#!/usr/bin/env python3
"""Faults, each on a cluster of its own: four nodes, three replicas, a load before, reads all the while, then passes of the
daemons until the cluster is whole (root: namespaces of its own).

usage: run.py [--objects 2000] [--writes 10000] [--seed N] [-v] [fault ...]        no fault: all of them

A fault counts as healed when every object, container and account lies on each device that the rings name, and on no
other, byte for byte and row for row as it was acknowledged, and the proxy says the same; see tests/support/whole.py.
"""

import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.faults.faults import AGES_S, FAULTS  # noqa: E402
from tests.support import saio, whole, world  # noqa: E402


def run(fault, args):
    """Runs one fault; whether all was well."""
    with saio.Saio(clients_have_clocks=fault in AGES_S) as cluster:
        load = world.World([saio.PROXY_PORT["ours"]], seed=args.seed, age_s=AGES_S.get(fault, 0))
        load.write(args.objects)
        _, wrong = whole.make_whole(cluster, load)
        if wrong:
            print(f"{fault.__name__}: not whole before it began\n{whole.told(wrong)}", flush=True)
            return False
        case = Case(cluster, load, args)
        figure = fault(case)
        wrong = case.wrong + load.wrong + whole.through_proxy_wrong(load, saio.PROXY_PORT["ours"])
        torn = f", {case.again} of them asked again for a torn answer" if case.again else ""
        print(f"{fault.__name__.replace('_', ' ')}: {figure}; whole after {case.passes} passes, {case.healing_s:.1f} s; "
              f"{case.reads} reads meanwhile{torn}; {len(wrong)} wrong", flush=True)
        if wrong:
            print(whole.told(wrong), flush=True)
            cluster.keep_logs(f"faults/{fault.__name__}")
        return not wrong


class Case:
    """What a fault works on, and what it found."""

    def __init__(self, cluster, load, args):
        self.saio, self.world, self.writes = cluster, load, args.writes
        self.tell = print if args.verbose else None
        self.passes = self.healing_s = self.reads = self.again = 0
        self.wrong = []

    def reading(self, newest=False):
        """Reads while the block runs, and counts what was wrong."""
        return Reading(self, newest)

    def heal(self, passes=8):
        """Passes of the daemons until all is whole; their time."""
        begun = time.monotonic()
        done, wrong = whole.make_whole(self.saio, self.world, passes=passes, tell=self.tell)
        self.passes, self.healing_s = self.passes + done, self.healing_s + time.monotonic() - begun
        self.wrong += wrong


class Reading(world.Reader):
    """A reader that leaves its figures with its case."""

    def __init__(self, case, newest):
        super().__init__(case.world, newest)
        self.case = case

    def __exit__(self, *end):
        super().__exit__(*end)
        self.case.reads += self.reads
        self.case.again += self.again
        self.case.wrong += [f"read: {text}" for text in self.wrong]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what is left after each pass")
    parser.add_argument("faults", nargs="*", metavar="fault", help=", ".join(FAULTS))
    args = parser.parse_args()
    unknown = set(args.faults) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    saio.in_own_namespaces()
    print(f"seed {args.seed}, {args.objects} writes before each fault", flush=True)
    outcomes = [run(FAULTS[name], args) for name in args.faults or FAULTS]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
