"""Python Swift's account or container replicator pushes a database to the server under test; JSON of what came of it.

Arguments: `account` or `container`, its own devices' folder, the server's devices' folder, the server's port. Files are
copied instead of sent by rsync; all else is Swift's.
"""
import json
import logging
import os
import shutil
import sys
import time
from unittest import mock

from swift.common import storage_policy, utils

utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'', b'endcap'
storage_policy._POLICIES = storage_policy.StoragePolicyCollection(
    [storage_policy.StoragePolicy(0, 'gold', True), storage_policy.StoragePolicy(1, 'silver')])

from swift.account.backend import AccountBroker  # noqa: E402
from swift.account.replicator import AccountReplicator  # noqa: E402
from swift.common import db_replicator  # noqa: E402
from swift.common.utils import ShardRange, Timestamp, hash_path, storage_directory  # noqa: E402
from swift.container.backend import ContainerBroker  # noqa: E402
from swift.container.replicator import ContainerReplicator  # noqa: E402

logging.disable(logging.CRITICAL)
KIND, OWN, THEIRS, PORT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
IS_CONTAINER = KIND == 'container'
NAMES = ['a', 'c'] if IS_CONTAINER else ['a']
HASH = hash_path(*NAMES)
NODE = {'id': 1, 'ip': '127.0.0.1', 'port': PORT, 'replication_ip': '127.0.0.1', 'replication_port': PORT,
        'device': 'sda', 'region': 1, 'zone': 1}
BEGUN = Timestamp.now().internal


class CopyingReplicator(ContainerReplicator if IS_CONTAINER else AccountReplicator):
    def _rsync_file(self, broker, remote_file, **options):
        shutil.copyfile(broker.db_file, remote_file)
        return True

    def _rsync_db(self, *args, **options):
        # Swift waits so many seconds for a merge as there are thousands of rows, halved
        return super()._rsync_db(*args, **{**options, 'replicate_timeout': 30})


def broker(devices):
    path = os.path.join(devices, 'sda', storage_directory(KIND + 's', '7', HASH), HASH + '.db')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return (ContainerBroker if IS_CONTAINER else AccountBroker)(path, **dict(
        zip(('account', 'container'), NAMES)))


class Theirs:
    """The server's replica, opened anew for each use: its file may be another one by now."""

    def __getattr__(self, name):
        return getattr(broker(THEIRS), name)


def put(one, names, deleted=0):
    for name in names:
        stamp = Timestamp.now().internal
        if IS_CONTAINER:
            one.put_object(name, stamp, 5, 'a/b', 'etag', deleted)
        else:
            deletion, counts = (stamp, (0, 0)) if deleted else ('0', (3, 9))
            one.put_container(name, BEGUN, deletion, *counts, 0)


def rows(one):
    found = one.get_items_since(-1, 10000)
    return sorted([[row[key] for key in sorted(row) if key != 'ROWID'] for row in found])


def facts(one):
    info = one.get_replication_info()
    kept = ('hash', 'created_at', 'put_timestamp', 'delete_timestamp', 'count', 'bytes_used', 'storage_policy_index')
    return [info.get(key) for key in kept]


def set_metadata(one, key, value):
    one.update_metadata({'X-%s-Meta-%s' % (KIND.capitalize(), key): (value, Timestamp.now().internal)})


def push(replicator, own):
    replicator._zero_stats()
    own.get_info()
    done = replicator._repl_to_node(NODE, own, '7', own.get_replication_info())
    stats = [key for key in ('rsync', 'diff', 'no_change', 'hashmatch', 'remote_merge') if replicator.stats[key]]
    return [done] + stats


def same(seen, step, own, theirs):
    seen[step + ' rows'] = rows(own) == rows(theirs)
    seen[step + ' facts'] = facts(own) == facts(theirs) or [facts(own), facts(theirs)]


def push_rows(seen, replicator, own, theirs):
    put(own, ['1', '2', 'g\u00fcl/3'])
    set_metadata(own, 'Color', 'blue')
    seen['missing'] = push(replicator, own)
    same(seen, 'missing', own, theirs)
    seen['ids differ'] = own.get_info()['id'] != theirs.get_info()['id']
    seen['in step'] = theirs.get_sync(own.get_info()['id']) == own.get_max_row()
    put(own, ['4', '5'])
    put(own, ['1'], deleted=1)
    set_metadata(own, 'Color', '')
    set_metadata(theirs, 'Size', 'big')
    seen['rows'] = push(replicator, own)
    same(seen, 'rows', own, theirs)
    seen['rows metadata'] = own.metadata == theirs.metadata and len(own.metadata) == 2
    seen['rows in step'] = theirs.get_sync(own.get_info()['id']) == own.get_max_row()
    seen['nothing new'] = push(replicator, own)


def push_file(seen, replicator, own, theirs):
    put(theirs, ['theirs'])
    set_metadata(theirs, 'Shape', 'round')
    theirs.merge_syncs([{'remote_id': 'third', 'sync_point': 17}])
    before = theirs.get_info()['id']
    put(own, ['many %03d' % n for n in range(200)])
    seen['far behind'] = push(replicator, own)
    seen['far behind rows'] = len(rows(own)) + 1 == len(rows(theirs)) and all(row in rows(theirs) for row in rows(own))
    seen['far behind metadata'] = {key: value[0] for key, value in theirs.metadata.items()}
    seen['far behind points'] = [theirs.get_sync('third'), theirs.get_sync(own.get_info()['id']) - own.get_max_row()]
    seen['far behind id'] = theirs.get_info()['id'] not in (before, own.get_info()['id'])
    put(own, ['theirs'], deleted=1)
    seen['after'] = push(replicator, own)
    same(seen, 'after', own, theirs)


def push_deletion(seen, replicator, own, theirs):
    put(own, [row['name'] for row in own.get_items_since(-1, 10000) if not row['deleted']], deleted=1)
    own.delete_db(Timestamp.now().internal)
    # once more than there are batches, as passes do
    for _ in range(3):
        done = push(replicator, own)
    seen['deleted'] = done[0] and theirs.is_deleted()
    same(seen, 'deleted', own, theirs)


def push_policy_and_shards(seen, replicator, own, theirs):
    theirs.set_storage_policy_index(1, Timestamp(time.time() + 60).internal)
    seen['policy'] = push(replicator, own)[0], theirs.storage_policy_index

    def shard(name, **more):
        return ShardRange('.shards_a/' + name, Timestamp.now(), name, name + 'z', 7, 9, state=ShardRange.CREATED, **more)

    own.merge_shard_ranges([shard('k'), shard('m', deleted=1)])
    theirs.merge_shard_ranges([shard('t')])
    seen['shards'] = push(replicator, own)[0]
    seen['shards same'] = [dict(one) for one in own.get_all_shard_range_data()] == [
        dict(one) for one in theirs.get_all_shard_range_data()] and len(own.get_all_shard_range_data())


def main():
    own, theirs = broker(OWN), Theirs()
    own.initialize(Timestamp.now().internal, 0)
    conf = {'devices': OWN, 'mount_check': 'false', 'recon_cache_path': OWN, 'per_diff': '50', 'rsync_module': THEIRS}
    with mock.patch('swift.common.db_replicator.ring.Ring') as ring:
        ring.return_value.replica_count = 3
        replicator = CopyingReplicator(conf)
    seen = {}
    push_rows(seen, replicator, own, theirs)
    told = json.loads(db_replicator.ReplConnection(NODE, '7', HASH, None).replicate(
        'sync', *replicator._gather_sync_args(own.get_replication_info())).data)
    seen['told'] = sorted(set(told) ^ set(own.get_replication_info()))
    push_file(seen, replicator, own, theirs)
    if IS_CONTAINER:
        push_policy_and_shards(seen, replicator, own, theirs)
    push_deletion(seen, replicator, own, theirs)
    print(json.dumps(seen))


main()
