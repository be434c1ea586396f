"""Does to databases what a test asks for, with Python Swift's own brokers: JSON lines in, JSON lines out."""
import json
import logging
import os
import sys

from swift.common import utils

utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'', b'endcap'

from swift.account.backend import AccountBroker  # noqa: E402
from swift.common.db import chexor  # noqa: E402
from swift.common.utils import ShardRange  # noqa: E402
from swift.container.backend import ContainerBroker  # noqa: E402

logging.disable(logging.CRITICAL)


def container(args):
    return ContainerBroker(args['path'], account='a', container='c')


def account(args):
    return AccountBroker(args['path'], account='a')


def broker(args):
    return account(args) if args.get('kind') == 'account' else container(args)


def create(args):
    broker(args).initialize(args['timestamp'], args.get('policy', 0))


def put_object(args):
    container(args).put_object(*args['row'])


def put_container(args):
    account(args).put_container(*args['row'])


def put_many(args):
    one = container(args)
    for i in range(args['count']):
        one.put_object('py-%04d' % i, args['timestamp'], 1, 'text/plain', 'etag')
        if i % 20 == 0:
            one.get_info()


def info(args):
    return broker(args).get_info()


def metadata(args):
    return {'raw': broker(args).get_raw_metadata(), 'map': broker(args).metadata}


def update_metadata(args):
    broker(args).update_metadata({key: tuple(value) for key, value in args['metadata'].items()})


def listing(args):
    asked = {'marker': '', 'end_marker': '', 'prefix': None, 'delimiter': None, 'limit': 10000,
             **args.get('query', {})}
    if args.get('kind') == 'account':
        return account(args).list_containers_iter(**asked)
    return container(args).list_objects_iter(**asked)


def rows(args):
    return broker(args).get_items_since(-1, 100000)


def delete(args):
    broker(args).delete_db(args['timestamp'])
    return broker(args).is_deleted()


def schema(args):
    with broker(args).get() as conn:
        found = conn.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")
        return [[row[0], row[1], ' '.join(row[2].split())] for row in found]


def policy_stats(args):
    return broker(args).get_policy_stats()


def merge_shard_ranges(args):
    container(args).merge_shard_ranges([ShardRange.from_dict(sr) for sr in args['ranges']])


def shard_ranges(args):
    return [dict(sr) for sr in container(args).get_shard_ranges(**args.get('query', {}))]


def row_hash(args):
    """The hash that the rows at hand should have, one by one."""
    total = '0' * 32
    for row in container(args).get_items_since(-1, 100000):
        total = chexor(total, row['name'], row['created_at'])
    return total


def old_container(args):
    """Creates a container database as an older release did, by the tables that Swift keeps for its own tests."""
    from test.unit.container import test_backend as old
    create_info = {'metadata': old.premetadata_create_container_info_table,
                   'sync': old.prexsync_create_container_info_table,
                   'policy': old.prespi_create_container_info_table}[args['before']]
    kept = {name: getattr(ContainerBroker, name) for name in (
        'create_object_table', 'create_container_info_table', 'create_policy_stat_table',
        'create_shard_range_table')}
    ContainerBroker.create_object_table = old.prespi_create_object_table
    ContainerBroker.create_container_info_table = create_info
    ContainerBroker.create_policy_stat_table = lambda *a: None
    ContainerBroker.create_shard_range_table = lambda *a: None
    try:
        create(args)
    finally:
        for name, function in kept.items():
            setattr(ContainerBroker, name, function)
    with container(args).get() as conn:
        for name in args['objects']:
            conn.execute('INSERT INTO object (name, created_at, size, content_type, etag, deleted) '
                         'VALUES (?, ?, 3, ?, ?, 0)', (name, args['timestamp'], 'a/b', 'e'))
        conn.commit()


def old_account(args):
    from test.unit.account import test_backend as old
    kept = {name: getattr(AccountBroker, name) for name in (
        'create_container_table', 'create_account_stat_table', 'create_policy_stat_table')}
    if args['before'] == 'metadata':
        AccountBroker.create_account_stat_table = old.premetadata_create_account_stat_table
    if args['before'] == 'count':
        AccountBroker.create_policy_stat_table = old.pre_track_containers_create_policy_stat
        AccountBroker.create_container_table = old.pre_track_containers_create_container_table
    else:
        AccountBroker.create_container_table = old.prespi_create_container_table
        AccountBroker.create_policy_stat_table = lambda *a: None
    try:
        create(args)
    finally:
        for name, function in kept.items():
            setattr(AccountBroker, name, function)
    with account(args).get() as conn:
        for name in args['containers']:
            conn.execute('INSERT INTO container (name, put_timestamp, delete_timestamp, object_count, bytes_used, '
                         'deleted) VALUES (?, ?, ?, 3, 9, 0)', (name, args['timestamp'], '0'))
        conn.commit()


def main():
    sdist = os.environ.get('SWIFT_SDIST') or os.path.join(os.path.dirname(__file__), '../../../../target/swift-2.38.3')
    sys.path.insert(0, sdist)  # ahead of the standard library's own package called test
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        args = json.loads(line)
        print(json.dumps(globals()[args['do']](args)), file=out, flush=True)


main()
