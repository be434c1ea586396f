"""Is a cluster whole? What lies on its devices, read by Python Swift's own code and placed by its rings, and what the
proxy says of it, must both be what was acknowledged, no more and no less.
"""

import collections
import hashlib
import os
import pathlib

from tests.support.saio import ETC, NODES
from tests.support.world import Client

# Of each kind of mistake so many are told.
TOLD = 5
# Where each ring's partitions lie below a device, and the ring of it that is looked at.
DATA_DIRS = {"objects": "object", "containers": "container", "accounts": "account"}
HashDir = collections.namedtuple("HashDir", "name etag files")


class Place:
    """Where partitions belong: rings as they are now."""

    def __init__(self, saio):
        from swift.common import utils
        from swift.common.ring import Ring

        utils.validate_hash_conf()
        self.saio = saio
        self.rings = {ring: Ring(str(ETC), ring_name=ring) for ring in DATA_DIRS.values()}

    def primaries(self, ring, partition):
        """The devices of a partition."""
        devices = self.rings[ring].get_part_nodes(int(partition))
        return {self.saio.srv(int(device["ip"].rsplit(".", 1)[1])) / device["device"] for device in devices}


def folders(path):
    """Folders in a folder, which need not be there."""
    return [pathlib.Path(entry.path) for entry in os.scandir(path) if entry.is_dir()] if path.is_dir() else []


def hash_dirs(device, data_dir):
    """Each hash folder of a device: (partition, path)."""
    return [(part.name, hash_dir)
            for part in folders(device / data_dir) for suffix in folders(part) for hash_dir in folders(suffix)]


def handoffs(saio, place):
    """Partitions, the empty ones too, on devices that they do not belong to."""
    return [f"handoff: {part}" for _, device in saio.device_paths() for data_dir, ring in DATA_DIRS.items()
            for part in folders(device / data_dir) if part.name.isdigit() and device not in place.primaries(ring, part.name)]


def pending(saio):
    """Updates that wait to be sent."""
    return [f"pending: {path}" for _, device in saio.device_paths() for path in device.glob("async_pending*/*/*")]


def read_hash_dir(path):
    """What a hash folder holds: name, Etag where its bytes have it, files with their metadata."""
    from swift.obj.diskfile import read_metadata

    name, etag, files = None, None, {}
    for file in sorted(path.iterdir()):
        metadata = read_metadata(str(file))
        name = metadata.get("name", name)
        files[file.name] = tuple(sorted(metadata.items()))
        if file.suffix == ".data":
            body = file.read_bytes()
            etag = hashlib.md5(body).hexdigest()
            if etag != metadata["ETag"] or str(len(body)) != metadata["Content-Length"]:
                etag = f"bytes unlike their metadata: {file}"
    return HashDir(name, etag, tuple(sorted(files.items())))


def objects_wrong(saio, place, there):
    """Each object on each device of its own, all alike, and none that was deleted."""
    wrong, found = [], collections.defaultdict(dict)
    for _, device in saio.device_paths():
        for part, path in hash_dirs(device, "objects"):
            found[part, path.name][device] = path
    live = set()
    for (part, hashed), by_device in found.items():
        held = {device: read_hash_dir(path) for device, path in by_device.items()}
        first = next(iter(held.values()))
        # Replicas of one name: tombstones of a name that is nowhere else tell nothing of it.
        name = next((entry.name for entry in held.values() if entry.name), hashed)
        key = name.split("/", 2)[-1]
        if set(held) != place.primaries("object", part):
            wrong.append(f"replicas: {key} is on {sorted(map(str, held))}")
        elif any(entry.files != first.files for entry in held.values()):
            wrong.append(f"unlike: {key}: {[[file for file, _ in entry.files] for entry in held.values()]}")
        if any(entry.etag for entry in held.values()):
            live.add(key)
            if key not in there:
                wrong.append(f"came back: {key}")
            elif any(entry.etag != there[key].etag for entry in held.values()):
                wrong.append(f"bytes: {key}: {[entry.etag for entry in held.values()]} for {there[key].etag}")
    return wrong + [f"lost: {key}" for key in there.keys() - live]


def databases(saio, data_dir):
    """Every database by name: {device: path}."""
    found = collections.defaultdict(dict)
    for _, device in saio.device_paths():
        for part, path in hash_dirs(device, data_dir):
            for file in path.glob("*.db"):
                found[part, path.name][device] = file
    return found


def open_databases(kind, by_device):
    """Swift's brokers of some replicas, by device."""
    import logging

    from swift.account.backend import AccountBroker
    from swift.container.backend import ContainerBroker

    broker = {"containers": ContainerBroker, "accounts": AccountBroker}[kind]
    return {device: broker(str(path), logger=logging.getLogger("whole")) for device, path in by_device.items()}


def containers_wrong(saio, place, world):
    """Each container on each device of its own, every row and figure as it must be."""
    wrong, seen = [], set()
    for (part, hashed), by_device in databases(saio, "containers").items():
        brokers = open_databases("containers", by_device)
        infos = [broker.get_info() for broker in brokers.values()]
        account, name = infos[0]["account"], infos[0]["container"]
        if account.startswith("."):
            continue
        seen.add(name)
        if set(brokers) != place.primaries("container", part):
            wrong.append(f"replicas: container {name} is on {sorted(map(str, brokers))}")
        rows = world.expected_rows(name)
        figures = (len(rows), sum(row[1] for row in rows))
        for device, info, broker in zip(brokers, infos, brokers.values()):
            listed = [(row[0], row[2], row[4], row[3]) for row in broker.list_objects_iter(100_000, "", None, None, None)]
            if sorted(listed) != rows:
                unlike = sorted(set(listed) ^ set(rows))
                wrong.append(f"rows: container {name} on {device}: {len(unlike)} unlike, as {unlike[:2]}")
            if (info["object_count"], info["bytes_used"]) != figures:
                wrong.append(f"figures: container {name} on {device}: {info['object_count'], info['bytes_used']} for {figures}")
    return wrong + [f"lost: container {name}" for name in set(world.containers) - seen]


def accounts_wrong(saio, place, world):
    """The account on each device of its own, with the containers and their figures."""
    wrong = []
    there = world.there()
    figures = (len(world.containers), len(there), sum(state.size for state in there.values()))
    for (part, _), by_device in databases(saio, "accounts").items():
        brokers = open_databases("accounts", by_device)
        infos = [broker.get_info() for broker in brokers.values()]
        if infos[0]["account"].startswith("."):
            continue
        if set(brokers) != place.primaries("account", part):
            wrong.append(f"replicas: account {infos[0]['account']} is on {sorted(map(str, brokers))}")
        for device, info in zip(brokers, infos):
            got = (info["container_count"], info["object_count"], info["bytes_used"])
            if got != figures:
                wrong.append(f"figures: account on {device}: {got} for {figures}")
    return wrong


def on_disk_wrong(saio, world):
    """All that is not as it must be on the devices, as text."""
    place = Place(saio)
    return (handoffs(saio, place) + pending(saio) + objects_wrong(saio, place, world.there())
            + containers_wrong(saio, place, world) + accounts_wrong(saio, place, world))


def through_proxy_wrong(world, port):
    """All that a client is told and is not so: every object, the deleted ones too, listings, counts."""
    client, wrong = Client(port), []
    for name in sorted(world.states):
        finding = world.look(client, name)
        wrong += [finding.text] if finding else []
    for container in world.containers:
        rows, headers = world.listing(client, container)
        expected = world.expected_rows(container)
        if rows != expected:
            wrong.append(f"listing of {container}: {len(set(rows) ^ set(expected))} rows unlike")
        told = (int(headers["x-container-object-count"]), int(headers["x-container-bytes-used"]))
        if told != (len(expected), sum(row[1] for row in expected)):
            wrong.append(f"figures of {container}: {told}")
    there = world.there()
    _, headers, _ = client.ask("HEAD", "")
    told = tuple(int(headers[f"x-account-{what}"]) for what in ("container-count", "object-count", "bytes-used"))
    expected = (len(world.containers), len(there), sum(state.size for state in there.values()))
    return wrong + ([] if told == expected else [f"figures of the account: {told} for {expected}"])


# What daemons do for a cluster to become whole, in the order in which the one's work lets the next one's end.
HEALERS = ("object-replicator", "container-replicator", "account-replicator", "object-updater", "container-updater")


def make_whole(saio, world, nodes=NODES, passes=8, tell=None):
    """Passes of all daemons until the devices hold what they must: how many, and what is wrong after the last. `tell`
    hears of what is left after each."""
    for done in range(1, passes + 1):
        for daemon in HEALERS:
            saio.once(daemon, nodes)
        wrong = on_disk_wrong(saio, world)
        if not wrong:
            return done, []
        if tell:
            tell(f"after pass {done}:\n{told(wrong)}")
    return passes, wrong


def told(wrong):
    """Some of each kind of mistake, and how many there are."""
    kinds = collections.defaultdict(list)
    for text in wrong:
        kinds[text.split(":", 1)[0]].append(text)
    return "\n".join(line for kind, texts in sorted(kinds.items()) for line in [f"{len(texts)} of {kind}:", *texts[:TOLD]])
