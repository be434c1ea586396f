"""The faults: each does its harm while reads go on, has the cluster heal, and gives its figure as text.

Reads ask any one replica as long as all are known to be alike or damaged; where some may be a write behind (a node that
was away, a replica that moves while it is written to) they ask all of them (X-Newest), as in Swift a client must.
"""

import random
import re
import shutil
import time

from tests.support import whole

RING_CHECK_S = 16
DAMAGED_OBJECTS = 100
DAMAGED_DATABASES = 20
WEEK_S = 7 * 24 * 3600
HOUR_S = 3600
# In a container's database: an Etag, a type, an id of a database, the names and times of the container's own row.
UNTOLD = re.compile(rb"(image|text)/[0-9]+[0-9a-f]{32}|[0-9a-f]{32}|[0-9a-f-]{36}-sdb[0-9]|AUTH_test[ -~]*")


def device_emptied(case):
    """A disk is replaced by a new one."""
    device = case.saio.srv(4) / "sdb4"
    had = len(whole.hash_dirs(device, "objects"))
    with case.reading():
        for folder in device.iterdir():
            shutil.rmtree(folder)
        case.heal()
    return f"{len(whole.hash_dirs(device, 'objects'))} of {had} objects back on an emptied device"


def node_down(case):
    """A node is away while there is much to write, then comes back."""
    with case.reading():
        case.saio.stop_node(4)
        took_s = case.world.write(case.writes)
    case.saio.start_node(4)
    with case.reading(newest=True):
        case.heal()
    return f"{case.writes} writes and deletes in {took_s:.0f} s with a node down"


def device_added(case):
    """The rings get a device more; writes go on."""
    new = case.saio.srv(1) / "sdb5"
    with case.reading(newest=True):
        case.saio.ring(["add", "r1z1-127.0.0.1:6210/sdb5", "1"], builders=["object"])
        case.saio.ring(["add", "r1z1-127.0.0.1:6211/sdb5", "1"], builders=["container"])
        case.saio.ring(["add", "r1z1-127.0.0.1:6212/sdb5", "1"], builders=["account"])
        rebalance(case)
        case.world.write(case.writes // 10)
        case.heal()
    return f"{len(whole.hash_dirs(new, 'objects'))} objects on the device added"


def weight_to_zero(case):
    """A device is drained."""
    device = case.saio.srv(2) / "sdb2"
    with case.reading(newest=True):
        case.saio.ring(["set_weight", "d1", "0"])
        rebalance(case)
        case.world.write(case.writes // 10)
        case.heal()
    left = len(whole.hash_dirs(device, "objects"))
    case.wrong += [f"left: {left} objects on a device of weight 0"] if left else []
    return "a device drained"


def rebalance(case):
    """New rings for all, as far as they may move at once, until nothing more moves."""
    for _ in range(3):
        case.saio.ring(["pretend_min_part_hours_passed"], ["rebalance", "--force"])
    case.saio.publish_rings()
    time.sleep(RING_CHECK_S)


def bits_flipped(case):
    """Bits turn in files of objects and in databases, at most in one replica of each."""
    rng = random.Random(case.world.sequence)
    with case.reading():
        objects = one_replica_each(case, "objects", ".data", rng)[:DAMAGED_OBJECTS]
        files = one_replica_each(case, "containers", ".db", rng)[:DAMAGED_DATABASES]
        for path in objects + files:
            flip_bit(path, rng)
        case.saio.once("object-auditor")
        case.saio.once("container-auditor")
        aside = sum(len(list(device.glob("quarantined/*/*"))) for _, device in case.saio.device_paths())
        case.heal()
    return f"a bit flipped in {len(objects)} data files and {len(files)} databases, {aside} set aside by auditors and reads"


def one_replica_each(case, data_dir, suffix, rng):
    """A file of one replica each, in random order, of those that have bytes."""
    replicas = {}
    for _, device in case.saio.device_paths():
        for part, path in whole.hash_dirs(device, data_dir):
            replicas.setdefault(path.name, []).extend(file for file in path.glob(f"*{suffix}") if file.stat().st_size)
    chosen = [rng.choice(files) for files in replicas.values() if files]
    return rng.sample(chosen, len(chosen))


def flip_bit(path, rng):
    """Turns one bit. In a database not where pages are empty, nor in what nothing else in Swift's format tells of: the
    Etags and types of objects, and the row of facts and sync points, which each replica has of its own."""
    places = range(path.stat().st_size)
    if path.suffix == ".db":
        pages, untold = path.read_bytes(), set()
        for match in UNTOLD.finditer(pages):
            untold.update(range(*match.span()))
        places = [at for at, byte in enumerate(pages) if byte and at not in untold]
    at = rng.choice(places)
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << rng.randrange(8))]))


def stale_node_returns(case):
    """A node is away for a week less an hour, which is as long as tombstones are kept. Its going lies so far back because
    the writes after it are dated then."""
    case.world.age_s = WEEK_S - HOUR_S
    with case.reading():
        case.saio.stop_node(4)
        case.world.write(case.writes // 4)
    # The others had a week to reclaim what they would.
    for daemon in whole.HEALERS:
        case.saio.once(daemon, (1, 2, 3))
    case.world.age_s = 0
    case.saio.start_node(4)
    with case.reading(newest=True):
        case.heal()
    return f"{case.writes // 4} writes and deletes, all but a week old, while a node was away"


def rings_mixed(case):
    """Two nodes have rings that the others and the proxy do not have yet; all of them replicate."""
    with case.reading(newest=True):
        for server, last in (("object", 0), ("container", 1), ("account", 2)):
            case.saio.ring(["add", f"r1z3-127.0.0.3:623{last}/sdb7", "1"], ["pretend_min_part_hours_passed"],
                           ["rebalance", "--force"], builders=[server])
        case.saio.publish_rings(["node1", "node2"])
        for _ in range(3):
            case.world.write(case.writes // 20)
            for daemon in whole.HEALERS:
                case.saio.once(daemon)
        case.saio.publish_rings()
        time.sleep(RING_CHECK_S)
        case.heal()
    return "three passes between nodes whose rings are of two generations"


FAULTS = {fault.__name__.replace("_", "-"): fault for fault in (
    device_emptied, node_down, device_added, weight_to_zero, bits_flipped, stale_node_returns, rings_mixed)}
# How long ago all was written that is there before a fault, where it was not just now.
AGES_S = {stale_node_returns: WEEK_S + HOUR_S}
