"""Does to a device what a test asks for, with Python Swift's own DiskFile: JSON lines in, JSON lines out."""
import json
import logging
import sys

from swift.common import utils

utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'', b'endcap'

from swift.common.exceptions import DiskFileDeleted, DiskFileNotExist, DiskFileQuarantined  # noqa: E402
from swift.common.storage_policy import POLICIES  # noqa: E402
from swift.obj import diskfile  # noqa: E402
from swift.obj.updater import ObjectUpdater  # noqa: E402

logging.disable(logging.CRITICAL)
CONF = {'devices': sys.argv[1], 'mount_check': 'false', 'reclaim_age': str(100 * 365 * 24 * 3600)}
MANAGER = diskfile.DiskFileManager(CONF, utils.get_logger({}, 'agent'))
POLICY = POLICIES[0]


def object_file(args):
    return MANAGER.get_diskfile('sda', args['partition'], 'a', 'c', args['object'], POLICY)


def put(args):
    body = args['body'].encode('latin1')
    with object_file(args).create(size=len(body)) as writer:
        writer.write(body)
        size, etag = writer.chunks_finished()
        writer.put({'X-Timestamp': args['timestamp'], 'Content-Type': 'text/plain', 'Content-Length': str(size),
                    'ETag': etag, **args.get('metadata', {})})


def post(args):
    object_file(args).write_metadata({'X-Timestamp': args['timestamp'], **args['metadata']})


def delete(args):
    object_file(args).delete(args['timestamp'])


def read(args):
    try:
        with object_file(args).open() as opened:
            metadata = opened.get_metadata()
            body = b''.join(opened.reader())
    except DiskFileDeleted as error:
        return {'deleted': error.timestamp.internal}
    except DiskFileQuarantined as error:
        return {'quarantined': str(error)}
    except DiskFileNotExist:
        return {'missing': True}
    return {'metadata': metadata, 'body': body.decode('latin1')}


def hashes(args):
    return MANAGER.get_hashes('sda', args['partition'], args.get('recalculate'), POLICY)


def async_pending(args):
    MANAGER.pickle_async_update(
        'sda', 'a', 'c', args['object'],
        {'op': 'PUT', 'account': 'a', 'container': 'c', 'obj': args['object'],
         'headers': utils.HeaderKeyDict(args['headers']), 'db_state': None}, args['timestamp'], POLICY)


def load_async_pending(args):
    updater = ObjectUpdater(CONF, utils.get_logger({}, 'agent'))
    return [dict(found['update'], headers=dict(found['update']['headers']))
            for found in updater._iter_async_pendings(sys.argv[1] + '/sda')]


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(globals()[request['do']](request)), flush=True)
