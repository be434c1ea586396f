"""Python Swift on the devices below argv[1]: `put` writes objects, `audit KIND` audits them and prints what it found."""
import json
import logging
import sys
import time

from swift.common import utils

utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'', b'endcap'

from swift.common.storage_policy import POLICIES  # noqa: E402
from swift.obj import diskfile  # noqa: E402
from swift.obj.auditor import AuditorWorker  # noqa: E402

logging.disable(logging.CRITICAL)
devices, what = sys.argv[1:3]
conf = {'devices': devices, 'mount_check': 'false', 'files_per_second': '0', 'bytes_per_second': '0',
        'rsync_tempfile_timeout': '100'}
logger = utils.get_logger({}, 'agent')


def put():
    manager = diskfile.DiskFileManager(conf, logger)
    now = time.time()
    for number in range(10):
        found = manager.get_diskfile('sda', 7, 'a', 'c', 'théirs%d' % number, POLICIES[0])
        body = b'x' * (number * 300000)
        with found.create(size=len(body)) as writer:
            writer.write(body)
            size, etag = writer.chunks_finished()
            writer.put({'X-Timestamp': utils.Timestamp(now).internal, 'Content-Type': 'a/b', 'ETag': etag,
                        'Content-Length': str(size), 'X-Object-Meta-Colour': 'blü'})
        if number % 3 == 1:
            found.write_metadata({'X-Timestamp': utils.Timestamp(now + 1).internal, 'X-Object-Meta-Shape': 'round'})
        if number % 3 == 2:
            found.delete(utils.Timestamp(now + 2))


def audit(kind):
    worker = AuditorWorker(conf, logger, devices + '/recon', devices, 1000 if kind == 'ZBF' else 0)
    worker.last_logged = time.time()
    worker.audit_all_objects()
    print(json.dumps([worker.passes, worker.quarantines, worker.errors, worker.bytes_processed]))


put() if what == 'put' else audit(sys.argv[3])
