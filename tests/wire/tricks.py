"""Large objects and links that lead in circles or to where the client may not read, and what is not UTF-8 where text is meant."""

import json

from message import A, post, put, request

OTHER = "test:tester3"


def slo(path, *segments):
    return put(f"{A}/{path}?multipart-manifest=put", body=json.dumps([{"path": f"/{segment}"} for segment in segments]))


def dlo(path, of, body=""):
    return put(f"{A}/{path}", "Content-Type: a/b", f"X-Object-Manifest: {of}", body=body)


def link(path, to, *lines):
    return put(f"{A}/{path}", f"X-Symlink-Target: {to}", *lines)


def elsewhere():
    """Manifests in one container, segments in another; each open to others or not."""
    yield put(f"{A}/own")
    yield put(f"{A}/away")
    for index in range(2):
        yield put(f"{A}/away/p{index}", "Content-Type: a/b", body=f"{index}" * 4)
    yield dlo("own/dlo", "away/p")
    yield slo("own/slo", "away/p0", "away/p1")
    yield dlo("own/both", "own/slo")
    yield link("own/link", "away/p0")
    acls = ("nobody:x", OTHER, ".r:*", f".r:*,.rlistings,{OTHER}")
    for manifests in acls[1:]:
        yield post(f"{A}/own", f"X-Container-Read: {manifests}")
        for segments in acls:
            yield post(f"{A}/away", f"X-Container-Read: {segments}")
            for name in ("dlo", "slo", "both", "link", "slo?multipart-manifest=get", "link?symlink=get"):
                for token in ("U", None):
                    yield request("GET", f"{A}/own/{name}", token=token)
            yield request("HEAD", f"{A}/own/dlo", token="U")
            yield request("GET", f"{A}/own/slo", "Range: bytes=5-6", token="U")
            yield request("GET", f"{A}/own/dlo", "Range: bytes=1-1,5-6", token=None)
    yield from as_another()


def as_another():
    """What another user makes who may write to `own`, but not read from `away`."""
    for acl in ("nobody:x", OTHER):
        yield post(f"{A}/own", f"X-Container-Read: {OTHER}", f"X-Container-Write: {OTHER}")
        yield post(f"{A}/away", f"X-Container-Read: {acl}")
        body = json.dumps([{"path": "/away/p0"}])
        yield request("PUT", f"{A}/own/theirs?multipart-manifest=put", token="U", body=body)
        yield request("PUT", f"{A}/own/theirs", "X-Object-Manifest: away/p", token="U", body="")
        yield request("PUT", f"{A}/own/theirs", "X-Symlink-Target: away/p0", token="U", body="")
        yield request("GET", f"{A}/own/theirs", token="U")
        yield request("PUT", f"{A}/own/copied", "X-Copy-From: away/p0", token="U", body="")
        yield request("COPY", f"{A}/own/slo", "Destination: own/copied", token="U")
        yield request("COPY", f"{A}/own/dlo", "Destination: away/copied", token="U")
        yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", token="U", body="away/p0\nown/gone")
        yield request("DELETE", f"{A}/own/slo?multipart-manifest=delete", token="U")
        yield request("GET", f"{A}/away/p0")
        yield slo("own/slo", "away/p0", "away/p1")


def circles():
    yield put(f"{A}/loop")
    yield put(f"{A}/loop/o", "Content-Type: a/b", body="0123456789")
    yield slo("loop/n00", "loop/o")
    for depth in range(1, 13):
        yield slo(f"loop/n{depth:02}", f"loop/n{depth - 1:02}")
    for depth in (9, 10, 11, 12):
        for line in ("X-A: b", "Range: bytes=2-3"):
            yield request("GET", f"{A}/loop/n{depth:02}", line)
        yield request("HEAD", f"{A}/loop/n{depth:02}")
        yield request("COPY", f"{A}/loop/n{depth:02}", "Destination: loop/flat", "Content-Length: 0")
    yield from (slo("loop/a", "loop/o"), slo("loop/b", "loop/a"), slo("loop/a", "loop/b"))
    yield from (dlo("loop/self", "loop/self", "mine"), dlo("loop/two-1", "loop/two-", "1"), dlo("loop/two-2", "loop/two-", "2"))
    yield from (dlo("loop/x", "loop/y", "x"), dlo("loop/y", "loop/x", "y"), dlo("loop/of-slo", "loop/n0"), slo("loop/of-dlo", "loop/two-1"))
    yield from (link("loop/l1", "loop/o"), link("loop/l2", "loop/l1"), link("loop/l3", "loop/l2"), link("loop/l4", "loop/l3"))
    yield from (link("loop/me", "loop/me"), link("loop/there", "loop/back"), link("loop/back", "loop/there"))
    yield from (link("loop/to-slo", "loop/n01"), link("loop/to-dlo", "loop/two-1"), link("loop/to-loop", "loop/a"))
    yield from (slo("loop/of-link", "loop/l1"), slo("loop/of-far-link", "loop/l4"), dlo("loop/of-links", "loop/l"))
    for name in ("a", "b", "self", "two-1", "x", "of-slo", "of-dlo", "l2", "l3", "l4", "me", "there", "to-slo", "to-dlo", "to-loop", "of-link",
                 "of-far-link", "of-links"):
        path = f"{A}/loop/{name}"
        yield request("HEAD", path)
        yield request("GET", path)
        yield request("GET", path, "Range: bytes=1-2")
        yield request("COPY", path, "Destination: loop/copy", "Content-Length: 0")
        yield request("GET", f"{path}?multipart-manifest=get")
        yield post(path, "X-Object-Meta-A: b")
    for name in ("n12", "a", "of-link", "of-dlo"):
        yield request("DELETE", f"{A}/loop/{name}?multipart-manifest=delete", "Accept: application/json")
    yield request("GET", f"{A}/loop")


MANIFESTS = ["\ufeff[]", "[NaN]", "[Infinity]", "[1e999]", "[" + "9" * 5000 + "]", '{"a": [' + "[" * 2000, "[" * 100_000, '["\\ud800"]',
             '[{"path": "/c/\\ud800"}]', '[{"path": "/c/o", "path": "/c/gone"}]', '[{"path": "/c/o"}] junk', '[{"path": "/c/o"}]\n\n',
             "[{'path': '/c/o'}]", '[{"path": "/c/o",}]', '[{"path": "c/o"}]', '[{"path": "/c/o\\n"}]', '[{"path": "/c/' + "n" * 1025 + '"}]',
             '[{"path": "/' + "c" * 257 + '/o"}]', '[{"path": "/c/../c/o"}]', '[{"path": "/c/%6f"}]', '[{"path": "/c/o?a=b"}]',
             '[{"path": "/c/o", "size_bytes": 1e1}]', '[{"path": "/c/o", "size_bytes": 10000000000000000000000}]',
             '[{"path": "/c/o", "size_bytes": true}]', '[{"path": "/c/o", "etag": ""}]', '[{"path": "/c/o", "etag": "\\u2603"}]',
             '[{"path": "/c/o", "range": "bytes=0-1"}]', '[{"path": "/c/o", "range": "0-99999999999999999999"}]',
             '[{"path": "/c/o", "range": "\\u0661-2"}]', '[{"path": "/c/o", "\\u2603": 1}]', '[{"data": "' + "eA==" * 3 + '"}]',
             '[{"path": "/c/o"}, {"data": "' + "e" * 100_000 + '"}]', json.dumps([{"path": "/c/o"}] * 1000),
             json.dumps([{"path": "/c/o"}] * 1001), json.dumps([{"path": "/c/gone"}] * 1001), " " * (8 << 20) + "[]", "x" * ((8 << 20) + 1),
             b"\xff", b'[{"path": "/c/\xff"}]', "\0", "", "[\0]", '[{"path": "/c/o"}', "[]]"]
RULES = ["", "{", "[]", "null", "1", '"x"', '{"admin": "x"}', '{"admin": [1]}', '{"admin": [""]}', '{"admin": [], "admin": ["x"]}',
         '{"other": []}', '{"read-only": ["\\u2603"]}', '{"read-only": ["\\ud800"]}', '{"read-write": ["a b", "x:y"]}', '{"admin": [["x"]]}',
         '{"admin": null}', "{" * 2000, '{"admin": ["' + "x" * 7000 + '"]}', "\ufeff{}", '{"admin": ["*"]}', "{'admin': []}", "{} x", "NaN"]


def bad_json():
    for manifest in MANIFESTS:
        yield put(f"{A}/c/json?multipart-manifest=put", "Content-Type: a/b", body=manifest)
    yield request("HEAD", f"{A}/c/json")
    for rules in RULES:
        yield post(A, f"X-Account-Access-Control: {rules}")
        yield request("HEAD", A)
    yield post(A, "X-Account-Access-Control: {}")


# Header fields that something reads, by the request that they go with.
READ = {
    "GET": ["Referer", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Origin", "Accept",
            "X-Newest", "X-Open-Expired", "User-Agent", "X-Forwarded-For", "X-Trans-Id-Extra", "X-Timestamp", "X-Web-Mode", "Cookie"],
    "PUT": ["Etag", "Content-Type", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control", "Expires", "X-Robots-Tag",
            "X-Delete-At", "X-Delete-After", "X-Object-Manifest", "X-Copy-From", "X-Copy-From-Account", "X-Symlink-Target",
            "X-Symlink-Target-Account", "X-Symlink-Target-Etag", "X-Detect-Content-Type", "X-Static-Large-Object", "If-None-Match", "Expect"],
    "COPY": ["Destination", "Destination-Account", "X-Fresh-Metadata"],
    "POST": ["X-Container-Read", "X-Container-Write", "X-Container-Sync-To", "X-Container-Sync-Key", "X-Versions-Location",
             "X-History-Location", "X-Versions-Enabled", "X-Container-Meta-Quota-Bytes", "X-Container-Meta-Web-Index",
             "X-Container-Meta-Access-Control-Allow-Origin", "X-Container-Meta-Temp-Url-Key", "X-Storage-Policy"],
}
PARAMETERS = ["format", "limit", "marker", "end_marker", "prefix", "delimiter", "path", "reverse", "states", "versions", "version-id",
              "version_marker", "symlink", "multipart-manifest", "part-number", "extract-archive", "temp_url_sig", "temp_url_expires",
              "temp_url_prefix", "filename", "inline", "heartbeat", "\u2603"]


def no_text():
    path = f"{A}/text"
    for container in ("text", "text2"):
        yield put(f"{A}/{container}")
    for method, names in READ.items():
        for name in names:
            for value in ("\udcff", "\u2603", "a\udcffb"):
                target = f"{A}/text2" if method == "POST" else f"{path}/o"
                yield put(f"{path}/o", "Content-Type: a/b", body="0123456789")
                yield request(method, target, f"{name}: {value}", body="x" if method == "PUT" and "Copy" not in name and "Link" not in name else "")
                if method in ("PUT", "POST"):
                    yield request("HEAD", target)
    for name in ("X-Auth-Token", "X-Storage-Token", "X-Service-Token"):
        for value in ("\udcff", "\u2603", "AUTH_tk\udcff"):
            yield request("GET", f"{A}/c/o", f"{name}: {value}", token=None)
    for user, key in [("\udcff:x", "x"), ("test:\udcff", "x"), ("test:tester", "\udcff"), ("\u2603:\u2603", "\u2603")]:
        yield request("GET", "/auth/v1.0", f"X-Auth-User: {user}", f"X-Auth-Key: {key}", token=None)
    for name in PARAMETERS:
        for value in ("%FF", "%E2%98", "%ED%A0%80", "%C0%AF", "%00", "%E2%98%83", "\udcff", "\u2603", "%"):
            yield request("GET", f"{path}?{name}={value}")
            yield request("HEAD", f"{path}/o?{name}={value}")
    for value in ("%FF", "\udcff", "%ED%A0%80", "%00", "%C0%AF", "\u2603"):
        for target in (f"/v1/AUTH_{value}", f"/v1/AUTH_test{value}/c/o", f"{A}/{value}", f"{path}/{value}", f"{path}/{value}/x", f"/{value}",
                       f"/v1/{value}/c/o", f"/auth/{value}", f"/info?{value}=x", f"/healthcheck{value}"):
            for method in ("GET", "PUT", "DELETE"):
                if not target.startswith("/info"):
                    yield request(method, target, "Content-Length: 0")
    for host in ("\udcff", "c.AUTH-test\udcff.example.net", "\u2603.example.net"):
        yield request("GET", f"{A}/c/o", host=host)


def lengths():
    """Parameters of listings, and metadata that comes with PUT, at their limits and over them."""
    for name in ("marker", "end_marker", "prefix", "delimiter", "path"):
        for length in (255, 256, 257, 1023, 1024, 1025, 4000):
            for path in (A, f"{A}/c"):
                yield request("GET", f"{path}?{name}={'m' * length}")
    for limit in ("9999", "10000", "10001", "00010", "+1", " 1", "1 ", "0x1", "1e3", "\u0661", "1_0"):
        for path in (A, f"{A}/c"):
            yield request("GET", f"{path}?limit={limit}".replace(" ", "%20"))
    for kind, path in {"Container": f"{A}/met", "Object": f"{A}/c/met"}.items():
        for length in (127, 128, 129):
            yield put(path, f"X-{kind}-Meta-{'n' * length}: v")
        for length in (255, 256, 257):
            yield put(path, f"X-{kind}-Meta-V: {'v' * length}")
            yield put(path, f"X-{kind}-Meta-W: {'%E2%98%83' * (length // 9)}{'v' * (length % 9)}")
        for count in (89, 90, 91):
            yield put(path, *[f"X-{kind}-Meta-C{index}: v" for index in range(count)])
        for last in (93, 94, 95, 96, 97):
            yield put(path, *[f"X-{kind}-Meta-S{index:x}: {'v' * 248}" for index in range(16)], f"X-{kind}-Meta-Z: {'v' * last}")
        yield request("HEAD", path)
        if kind == "Container":
            yield request("DELETE", path)
    for length in (1023, 1024, 1025):
        yield put(f"{A}/c/met", f"X-Object-Manifest: c/{'p' * length}")
        yield link("c/met", "c/" + "t" * length)
        yield put(f"{A}/c/met", f"X-Copy-From: c/{'t' * length}")
        yield put(f"{A}/c/met", f"Content-Type: a/{'t' * length}", body="x")
    for length in (256, 257):
        yield link("c/met", f"{'c' * length}/o")
        yield put(f"{A}/c/met", f"X-Copy-From: {'c' * length}/o")
        yield request("COPY", f"{A}/c/o", f"Destination: {'c' * length}/o", "Content-Length: 0")
        yield post(f"{A}/c", f"X-Container-Meta-Quota-Bytes: {'1' * length}")
    yield post(f"{A}/c", "X-Container-Meta-Quota-Bytes: ")


GROUPS = {"manifests elsewhere": elsewhere, "circles": circles, "bad JSON": bad_json, "no text": no_text, "lengths": lengths}
