"""Python Swift's object server on the devices at an address and in a folder; prints its port, and serves until it is killed."""
import logging
import sys

import eventlet
from eventlet import wsgi

eventlet.patcher.monkey_patch()

from swift.common import utils  # noqa: E402

utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'', b'endcap'

from swift.obj.server import ObjectController  # noqa: E402

logging.disable(logging.CRITICAL)
app = ObjectController({'devices': sys.argv[2], 'mount_check': 'false', 'fallocate_reserve': '0',
                        'replication_concurrency_per_device': '0'})
listener = eventlet.listen((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
wsgi.server(listener, app, log_output=False)
