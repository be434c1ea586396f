"""Python's tempauth on fernet tokens: the other side of the tests beside this file.

Reads a JSON object from stdin: `options` of the filter; `asked`, what it shall seal, each with the `key`, the `kind`,
the `groups` and the `age` in seconds; `tokens`, which it shall open. Writes its own token for test:tester, what it
sealed, and of each token (those it sealed first) the groups, or null.
"""
import json
import sys
import time
import zlib

from cryptography.fernet import Fernet
from swift.common.middleware.tempauth import filter_factory
from swift.common.swob import Request


def seal(ask):
    groups = ask['groups'].encode()
    content = zlib.compress(groups) if ask['kind'] == 'zftk' else groups
    return 'AUTH_' + ask['kind'] + Fernet(ask['key']).encrypt_at_time(content, int(time.time()) - ask['age']).decode()


def opened(tempauth, token):
    try:
        return tempauth.get_groups({}, token)
    except Exception:  # it lets errors of zlib and of base64 pass
        return None


setup = json.load(sys.stdin)
tempauth = filter_factory(setup['options'])(None)
login = Request.blank('/auth/v1.0', headers={'X-Auth-User': 'test:tester', 'X-Auth-Key': 'testing'})
sealed = [seal(ask) for ask in setup['asked']]
json.dump({'token': login.get_response(tempauth).headers['X-Auth-Token'], 'sealed': sealed,
           'groups': [opened(tempauth, token) for token in sealed + setup['tokens']]}, sys.stdout)
