"""Runs requests through Python Swift's own filters, and tells what came of them.

Reads a JSON object from stdin: `filters`, a list of [name, options], outermost first; `tokens`, groups by token;
`account_acl`; `cases`, requests with what the end of the pipeline answers. Writes a JSON list: for each case the
answer, and the requests that came to the end.
"""
import importlib
import json
import logging
import sys
import time

from swift.common.swob import Request, Response
from swift.proxy.controllers.base import get_cache_key


class Cache(object):
    def __init__(self, tokens):
        self.values = {'AUTH_/token/' + t: [time.time() + 60, g] for t, g in tokens.items()}

    def get(self, key, **kwargs):
        return self.values.get(key)

    def set(self, key, value, **kwargs):
        self.values[key] = value


class Lines(logging.Handler):
    """The access log's lines."""

    def __init__(self):
        super(Lines, self).__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


class End(object):
    """Answers as a case says, after asking whoever authorizes."""

    def __init__(self, case):
        self.case, self.seen = case, []

    def __call__(self, env, start_response):
        req = Request(env)
        req.acl = self.case.get('acl')
        if 'swift.authorize' in env:
            refusal = env['swift.authorize'](req)
            if refusal:
                return refusal(env, start_response)
        body = env['wsgi.input'].read().decode('latin-1') if req.method == 'PUT' else ''
        self.seen.append({'method': req.method, 'path': req.path, 'query': sorted(req.params.items()), 'body': body,
                          'headers': [[k, str(v)] for k, v in req.headers.items() if v is not None],
                          'user': env.get('REMOTE_USER'), 'owner': bool(env.get('swift_owner')),
                          'source': env.get('swift.source')})
        answer = self.case['answers'].get(req.method) or {'status': 404, 'headers': {}, 'body': ''}
        resp = Response(request=req, status=answer['status'], headers=dict(answer['headers']),
                        body=answer['body'].encode('utf8'))
        return resp(env, start_response)


def run(setup, case):
    end = app = End(case)
    for name, options in reversed(setup['filters']):
        module = importlib.import_module('swift.common.middleware.' + name)
        app = module.filter_factory(options)(app)
    account = case['path'].split('/')[2:3]
    info = {'status': 200, 'sysmeta': {'core-access-control': setup['account_acl']}}
    lines = Lines()
    logger = logging.getLogger('proxy-access')
    logger.handlers[:] = [lines]
    env = {'swift.cache': Cache(setup['tokens']), 'REMOTE_ADDR': '10.1.2.3',
           'swift.infocache': {get_cache_key(a): info for a in account if a}}
    req = Request.blank(case['path'], environ=env, method=case['method'], headers=dict(case['headers']),
                        body=case.get('body', '').encode())
    resp = req.get_response(app)
    return {'status': resp.status_int, 'body': resp.body.decode('utf8', 'replace'),
            'headers': [[k, v] for k, v in resp.headers.items()], 'seen': end.seen, 'log': lines.lines}


setup = json.load(sys.stdin)
json.dump([run(setup, case) for case in setup['cases']], sys.stdout)
