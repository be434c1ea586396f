"""Sends requests through Python Swift's own filters, and tells what came of them.

Reads a JSON object from stdin: `filters`, a list of [name, options], outermost first; `cases`, requests with what
the end of the pipeline answers, by method and path. Writes a JSON list: for each case the answer, and the requests
that came to the end.
"""
import importlib
import json
import sys

from swift.common import storage_policy
from swift.common.swob import Request, Response

# In lower case: Python does not find the usage of a policy that is not.
storage_policy._POLICIES = storage_policy.StoragePolicyCollection([storage_policy.StoragePolicy(0, 'gold', True)])


class Cache(object):
    """A memcached in memory."""

    def __init__(self):
        self.values = {}

    def get(self, key, **kwargs):
        return self.values.get(key)

    def set(self, key, value, **kwargs):
        self.values[key] = value

    def incr(self, key, delta=1, **kwargs):
        self.values[key] = max(int(self.values.get(key, 0)) + delta, 0)
        return self.values[key]

    def decr(self, key, delta=1, **kwargs):
        return self.incr(key, delta=-delta)


class End(object):
    """Answers as a case says, after asking whoever authorizes."""

    def __init__(self, case):
        self.case, self.seen = case, []

    def __call__(self, env, start_response):
        req = Request(env)
        if 'swift.authorize' in env:
            req.acl = self.case.get('acl')
            refusal = env['swift.authorize'](req)
            if refusal:
                return refusal(env, start_response)
        key = '%s %s' % (req.method, req.path)
        query = [[n, v.encode('latin-1').decode('utf8')] for n, v in sorted(req.params.items())]
        body = env['wsgi.input'].read().decode('latin-1') if req.method in ('PUT', 'POST') else ''
        self.seen.append({'request': key, 'query': query, 'body': body,
                          'headers': [[k, str(v)] for k, v in req.headers.items() if v is not None],
                          'user': env.get('REMOTE_USER'), 'source': env.get('swift.source')})
        answer = self.case['answers'].get(key + '?' + (req.query_string or '')) or self.case['answers'].get(key)
        if not answer:
            info = req.method == 'HEAD' and env.get('swift.source')
            answer = {'status': 204 if info else 200, 'headers': {}, 'body': ''}
        resp = Response(request=req, status=answer['status'], headers=dict(answer['headers']),
                        body=answer['body'].encode('utf8'))
        return resp(env, start_response)


def run(filters, case):
    end = app = End(case)
    for name, options in reversed(filters):
        module = importlib.import_module('swift.common.middleware.' + name)
        app = module.filter_factory(options)(app)
    env = {'swift.cache': Cache(), 'REMOTE_ADDR': '10.1.2.3'}
    if case.get('allowed_by'):
        env['swift.authorize'] = \
            lambda req: None if req.acl == case['allowed_by'] else Response(request=req, status=403)
        env['swift.authorize_override'] = False
    if case.get('reseller'):
        env['reseller_request'] = True
    if case.get('user'):
        env['REMOTE_USER'] = case['user']
    req = Request.blank(case['path'], environ=env, method=case['method'], headers=dict(case['headers']),
                        body=case.get('body', '').encode('latin-1'))
    if 'Host' not in case['headers']:
        del req.headers['Host']
    # As they go out: swob's Response would add fields of its own.
    status, headers, pieces = req.call_application(app)
    return {'status': int(status.split()[0]), 'body': b''.join(pieces).decode('utf8', 'replace'),
            'headers': [[k, str(v)] for k, v in headers], 'seen': end.seen}


setup = json.load(sys.stdin)
json.dump([run(setup['filters'], case) for case in setup['cases']], sys.stdout)
