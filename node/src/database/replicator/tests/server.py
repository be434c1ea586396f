"""Python Swift's account or container server on one node. Arguments: `account` or `container`, its devices, its port."""
import logging
import sys

import eventlet

eventlet.monkey_patch()

from eventlet import wsgi  # noqa: E402
from swift.common import storage_policy, utils  # noqa: E402

utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'', b'endcap'
storage_policy._POLICIES = storage_policy.StoragePolicyCollection(
    [storage_policy.StoragePolicy(0, 'gold', True), storage_policy.StoragePolicy(1, 'silver')])

from swift.account.server import AccountController  # noqa: E402
from swift.container.server import ContainerController  # noqa: E402

KIND, DEVICES, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
logging.disable(logging.CRITICAL)
server = {'account': AccountController, 'container': ContainerController}[KIND]
app = server({'devices': DEVICES, 'mount_check': 'false', 'fallocate_reserve': '0'})
listener = eventlet.listen(('127.0.0.1', PORT))
print('ready', flush=True)
wsgi.server(listener, app, log_output=False)
