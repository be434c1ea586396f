#!/usr/bin/env python3
"""Power loss: the file system below a whole `swiftlet dev` loses what was not synced, then a look at every object.

usage: power.py [--fs xfs|ext4] [--cuts 15] [--seed N] [--workers 8] [--folder DIR]      (needs root)

A file of its own, mounted by loop, holds all devices. Under a PUT/DELETE load the file system is shut down without
writing its log (what it held back is gone, as when the power goes), every process is killed, and the file system is
mounted again, which replays the log. After each cut all touched objects are read, with metadata too long for ext4's
extended attributes; the owed updates are waited for, the updaters run, and the listing must agree.
"""

import argparse
import os
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.chaos.load import Load  # noqa: E402
from tests.support.dev import DevCluster  # noqa: E402
from tests.support.disk import Disk  # noqa: E402


def lose_power(disk, cluster):
    disk.cut()
    cluster.kill()
    disk.unmount()
    disk.mount()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fs", choices=["xfs", "ext4"], default="xfs")
    parser.add_argument("--cuts", type=int, default=15)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", help="where the disk's file goes; not on a memory file system")
    args = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("power.py mounts file systems: run it as root")
    print(f"{args.fs}, seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="swiftlet-power-", dir=args.folder) as folder:
        with Disk(args.fs, folder) as disk, DevCluster(disk.path / "data", log=f"{folder}/log") as cluster:
            return run(args, disk, cluster)


def run(args, disk, cluster):
    load = Load(cluster, args.workers, random.Random(args.seed), with_metadata=True)
    # The container itself is not what is at stake: its database is synced as Swift does it.
    os.sync()
    for cut in range(1, args.cuts + 1):
        load.run_until(lambda: lose_power(disk, cluster), longest_s=4)
        cluster.start()
        wrong = load.check()
        differ, _ = load.check_listing(strict=True)
        wrong += differ + [f"quarantined: {path}" for path in cluster.data.glob("*/*/quarantined/*/*")]
        print(f"cut {cut}: {load.acknowledged} acknowledged writes so far, {len(wrong)} wrong", flush=True)
        if wrong:
            print(*wrong, cluster.tail(), sep="\n")
            return 1
    wrong = load.check(only_touched=False)
    print(*wrong, sep="\n")
    print(f"{args.fs}: {args.cuts} power cuts, {load.acknowledged} acknowledged writes, {len(wrong)} wrong")
    return 1 if wrong or not load.acknowledged else 0


if __name__ == "__main__":
    sys.exit(main())
