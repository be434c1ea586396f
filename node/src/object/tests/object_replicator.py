"""Python Swift's object replicator pushes a partition to the server under test; JSON of what it saw on stdout.

Arguments: its own devices' folder, the server's devices' folder, the server's port, rsync or ssync. Files are copied
instead of sent by rsync; all else is Swift's.
"""
import hashlib
import json
import logging
import os
import pickle
import shutil
import sys
import time

from swift.common import utils

utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'', b'endcap'

from swift.common.bufferedhttp import http_connect  # noqa: E402
from swift.common.exceptions import DiskFileDeleted  # noqa: E402
from swift.common.storage_policy import POLICIES  # noqa: E402
from swift.obj import diskfile  # noqa: E402
from swift.obj.replicator import ObjectReplicator  # noqa: E402

logging.disable(logging.CRITICAL)
OWN, THEIRS, PORT, METHOD = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
NAMES = ['o%d' % n for n in range(29)] + ['ö 29%/%2f']
COLOUR = 'blü'.encode().decode('latin-1')
PART, POLICY = '7', POLICIES[0]


class NoHandoffs:
    replica_count = 3

    def get_more_nodes(self, part):
        return iter(())


class CopyingReplicator(ObjectReplicator):
    def _rsync(self, args):
        *sources, target = [arg for arg in args[1:] if not arg.startswith('--')]
        for source in sources:
            shutil.copytree(source, os.path.join(target, os.path.basename(source)), dirs_exist_ok=True)
        return 0


def manager(devices):
    return diskfile.DiskFileManager({'devices': devices, 'mount_check': 'false'}, utils.get_logger({}, 'test'))


def fill(devices):
    mgr, now = manager(devices), time.time()
    for n in range(30):
        obj = mgr.get_diskfile('sda', PART, 'a', 'c', NAMES[n], POLICY)
        stamp = utils.Timestamp(now - 1000 + n)
        if n % 3 == 0:
            obj.delete(stamp)
            continue
        body = b'ab' * (150000 if n == 29 else n)
        with obj.create(size=len(body)) as writer:
            writer.write(body)
            writer.put({'X-Timestamp': stamp.internal, 'Content-Type': 'a/b', 'Content-Length': str(len(body)),
                        'ETag': hashlib.md5(body).hexdigest(), 'X-Object-Meta-N': str(n), 'X-Delete-At': '1402464677',
                        'X-Object-Sysmeta-S': 's', 'X-Other': 'kept', 'X-Object-Meta-Colour': COLOUR})
        if n % 3 == 1:
            later = utils.Timestamp(now - 500 + n).internal
            obj.write_metadata({'X-Timestamp': later, 'Content-Type': 'c/d', 'Content-Type-Timestamp': later})


def states(devices):
    """What each object is, and its bytes."""
    mgr, found = manager(devices), []
    for name in NAMES:
        obj = mgr.get_diskfile('sda', PART, 'a', 'c', name, POLICY, open_expired=True)
        try:
            with obj.open():
                found.append([obj.get_datafile_metadata(), obj.get_metafile_metadata(),
                              hashlib.md5(b''.join(obj.reader())).hexdigest()])
        except DiskFileDeleted as error:
            found.append(error.timestamp.internal)
    return found


def ask(device='sda', suffixes=''):
    conn = http_connect('127.0.0.1', PORT, device, PART, 'REPLICATE', suffixes,
                        headers={'X-Backend-Storage-Policy-Index': '0'})
    answer = conn.getresponse()
    body = answer.read()
    return pickle.loads(body) if answer.status == 200 else answer.status


def main():
    POLICY.object_ring = NoHandoffs()
    fill(OWN)
    conf = {'devices': OWN, 'mount_check': 'false', 'rsync_module': THEIRS, 'sync_method': METHOD,
            'recon_cache_path': OWN, 'conn_timeout': '5'}
    replicator = CopyingReplicator(conf)
    node = {'id': 1, 'ip': '127.0.0.1', 'port': PORT, 'replication_ip': '127.0.0.1', 'replication_port': PORT,
            'device': 'sda', 'region': 1, 'zone': 1}
    job = {'path': os.path.join(OWN, 'sda', 'objects', PART), 'device': 'sda', 'nodes': [node], 'delete': False,
           'policy': POLICY, 'partition': PART, 'region': 1}
    seen = {'before': ask(), 'no_device': ask('sdz')}
    for name in ('first', 'second'):
        replicator._zero_stats()
        replicator.update(job)
        stats = replicator.stats_for_dev['sda']
        seen[name] = [stats.rsync, stats.hashmatch, stats.failure]
    seen['same'] = states(OWN) == states(THEIRS)
    seen['pushed'] = ask() == manager(OWN).get_hashes('sda', PART, [], POLICY)

    old = os.path.join(THEIRS, 'sda', 'objects', PART, 'abc', 'a' * 29 + 'abc')
    os.makedirs(old)
    open(os.path.join(old, '0000000001.00000.ts'), 'w').close()
    seen['noted'] = ask(suffixes='/abc-xyz-..')
    seen['without_old'] = ask() == manager(OWN).get_hashes('sda', PART, [], POLICY)
    seen['old_is_there'] = os.path.exists(old)
    ours = ask()
    os.unlink(os.path.join(THEIRS, 'sda', 'objects', PART, 'hashes.pkl'))
    seen['anew'] = ours == manager(THEIRS).get_hashes('sda', PART, [], POLICY) == ask()
    seen['suffixes'] = len(ours)
    print(json.dumps(seen))


main()
