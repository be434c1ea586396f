#!/usr/bin/env python3
"""What the daemons of a node take of memory with a million objects on it (root: namespaces of its own).

usage: memory.py [--objects 1000000] [--containers 100] [--seconds 120]        ($SAIO_TMP: where; it takes 15 GB)

One device with objects of a few bytes, and containers that list as many; its two peers serve the very same files, so that
every partition is compared and found in step. Every daemon runs in a process of its own for that long, all at once, and
is in its first pass or later. Memory is what the kernel says: resident, and with shared pages divided among
those who share them (PSS), whose sum is what the node has less for others.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.support import saio  # noqa: E402

LIMIT_MIB = 64
NODE = 1
PART_POWER = 6
PEERS = (2, 3)
DAEMONS = ("object-replicator", "object-auditor", "object-updater", "object-expirer", "container-replicator",
           "container-auditor", "container-updater", "container-sync", "account-replicator", "account-auditor",
           "account-reaper")
BODY = b"a few bytes"


def small_rings(cluster):
    """Rings of few partitions, all of which are on the one device and its peers."""
    for name, last in (("object", 0), ("container", 1), ("account", 2)):
        (saio.ETC / f"{name}.builder").unlink()
        devices = [["add", f"r1z{n}-127.0.0.{n}:62{n}{last}/sdb{n}", "1"] for n in (NODE, *PEERS)]
        cluster.ring(["create", str(PART_POWER), "3", "0"], *devices, ["rebalance", "7"], builders=[name])
    cluster.publish_rings()


def make_objects(device, first, last):
    """Objects o<first> to o<last> as an object server leaves them, without its syncing."""
    import hashlib

    from swift.common import utils
    from swift.obj.diskfile import write_metadata

    utils.validate_hash_conf()
    etag = hashlib.md5(BODY).hexdigest()
    for n in range(first, last):
        name = f"/AUTH_test/c{n % 100}/o{n}"
        hashed = utils.hash_path("AUTH_test", f"c{n % 100}", f"o{n}")
        partition = int(hashed[:8], 16) >> (32 - PART_POWER)
        folder = f"{device}/objects/{partition}/{hashed[-3:]}/{hashed}"
        os.makedirs(folder)
        with open(f"{folder}/{1700000000 + n / 100000:.5f}.data", "wb") as file:
            write_metadata(file, {"name": name, "X-Timestamp": f"{1700000000 + n / 100000:.5f}", "ETag": etag,
                                  "Content-Length": str(len(BODY)), "Content-Type": "a/b"})
            file.write(BODY)


def make_containers(device, containers, rows):
    """As many rows of objects, and the account of the containers."""
    import logging

    from swift.account.backend import AccountBroker
    from swift.common import utils
    from swift.common.utils import Timestamp
    from swift.container.backend import ContainerBroker

    def path(data_dir, *names):
        hashed = utils.hash_path(*names)
        partition = int(hashed[:8], 16) >> (32 - PART_POWER)
        return f"{device}/{data_dir}/{partition}/{hashed[-3:]}/{hashed}/{hashed}.db"

    logger, now = logging.getLogger("memory"), Timestamp(1700000000).internal
    account = AccountBroker(path("accounts", "AUTH_test"), account="AUTH_test", logger=logger)
    account.initialize(now)
    for c in range(containers):
        broker = ContainerBroker(path("containers", "AUTH_test", f"c{c}"), account="AUTH_test", container=f"c{c}", logger=logger)
        broker.initialize(now, 0)
        broker.merge_items([{"name": f"o{n}", "created_at": now, "size": len(BODY), "content_type": "a/b", "etag": "0" * 32,
                             "deleted": 0, "storage_policy_index": 0, "ctype_timestamp": None, "meta_timestamp": None}
                            for n in range(c, rows * containers, containers)])
        account.put_container(f"c{c}", now, "0", rows, rows * len(BODY), 0)


def make_everything(device, objects, containers):
    """Objects, and containers that list as many."""
    step = 10_000
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as makers:
        jobs = [makers.submit(make_objects, device, first, min(first + step, objects)) for first in range(0, objects, step)]
        jobs.append(makers.submit(make_containers, device, containers, objects // containers))
        for job in jobs:
            job.result()


def fill(cluster, args):
    """The device, and the peers that serve the same files."""
    device = cluster.srv(NODE) / f"sdb{NODE}"
    begun = time.monotonic()
    make_everything(device, args.objects, args.containers)
    for n in PEERS:
        peer = cluster.srv(n) / f"sdb{n}"
        shutil.rmtree(peer)
        peer.symlink_to(device)
    print(f"{args.objects} objects made in {time.monotonic() - begun:.0f} s", flush=True)


def processes_of(pid):
    """A process and all below it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(found for child in children for found in processes_of(int(child)))]
    return []


def memory_kib(pid):
    """(resident, proportional) of a process and all below it."""
    total = {"Rss": 0, "Pss": 0}
    for process in processes_of(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
                field, value = line.split(":")
                if field in total:
                    total[field] += int(value.split()[0])
    return total["Rss"], total["Pss"]


def watch(cluster, names, seconds):
    """The largest seen of each, and of the sums: {name: (resident, proportional)}."""
    most = dict.fromkeys([*names, "all"], (0, 0))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = {name: memory_kib(cluster.running[name].pid) for name in names}
        now["all"] = tuple(map(sum, zip(*now.values())))
        most = {name: tuple(map(max, zip(most[name], now[name]))) for name in most}
        time.sleep(0.5)
    return most


def passes_seen(cluster):
    """What recon's cache files tell of finished passes, to show that the daemons worked."""
    figures = {}
    for file in sorted((cluster.home / f"cache/{NODE}").glob("*.recon")):
        figures.update(json.loads(file.read_text()))
    return {name: figures[name] for name in ("object_replication_time", "container_auditor_pass_completed") if name in figures}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--containers", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=120)
    args = parser.parse_args()
    saio.in_own_namespaces()
    with saio.Saio(proxies=()) as cluster:
        for n in saio.NODES:
            cluster.stop_node(n)
        small_rings(cluster)
        fill(cluster, args)
        for n in (NODE, *PEERS):
            cluster.start_node(n)
        names = [cluster.start_daemon(daemon, NODE) for daemon in DAEMONS]
        most = watch(cluster, names, args.seconds)
        for name, (rss, pss) in most.items():
            print(f"{name}: at most {rss / 1024:.1f} MiB resident, {pss / 1024:.1f} MiB its share", flush=True)
        print(f"passes: {passes_seen(cluster)}")
    return 0 if most["all"][1] <= LIMIT_MIB * 1024 else 1


if __name__ == "__main__":
    sys.exit(main())
