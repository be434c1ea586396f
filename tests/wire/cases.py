"""The requests of the wire check, edge cases first. They run in this order on both clusters, so each may count on what
those before it made. `T` stands for the token of the account's owner, `U` for that of another of its users.

A case is (group, request in bytes). `request` writes a well-formed one; others are written out byte by byte. Of slow
clients it is (group, `slow.Exchange`).
"""

from message import A, HOST, put, request

import cors
import filters
import limits
import signed
import slow
import tars
import tricks


def cases(groups=""):
    """The cases of the groups whose name has `groups`, and of the first, which prepares."""
    for group, requests in GROUPS.items():
        if groups not in group and requests is not prepare:
            continue
        for each in requests():
            yield group, each


def prepare():
    yield put(f"{A}/c")
    yield put(f"{A}/d")
    yield put(f"{A}/c/o", "Content-Type: text/plain", "X-Object-Meta-Color: red", body="0123456789")
    yield put(f"{A}/c/empty", "Content-Type: text/plain")
    yield put(f"{A}/c/a%20b%2Fc", "Content-Type: a/b;charset=utf-8", body="x")
    yield put(f"{A}/c/%E2%98%83", "Content-Type: x/y", body="snow")
    yield put(f"{A}/c/dir/one", "Content-Type: x/y", body="1")
    yield put(f"{A}/c/dir/two", "Content-Type: x/y", body="2")


def names():
    for path in ["", "/", "//", "/v1", "/v1/", "/v1//", "/v1//c", "/v2/AUTH_test", "/v1.0/AUTH_test/c", "/V1/AUTH_test",
                 f"{A}/", f"{A}//", f"{A}//o", f"{A}/c/", f"{A}/c//", f"{A}/c//o", f"{A}/c/o/", f"{A}/c/../o", f"{A}/c/./o",
                 f"{A}/%FF", f"{A}/c/%FF", f"{A}/c/%00", f"{A}/%00c/o", f"{A}/c/%E2%98", f"{A}/c/%ED%A0%80", f"{A}/c/%C0%AF",
                 f"{A}/c/%zz", f"{A}/c/%", f"{A}/c/%4", f"{A}/c/a+b", f"{A}/c/o?", f"{A}/c/o#x", f"{A}/c/o?%FF", f"{A}/c/o;x",
                 "/v1/AUTH_other/c", "/v1/%41UTH_test/c/o", "http://wire.example:8080/v1/AUTH_test/c/o", "*", "v1"]:
        yield request("GET", path)
    for length in (255, 256, 257):
        yield put(f"{A}/{'n' * length}")
        yield request("DELETE", f"{A}/{'n' * length}")
    for length in (1023, 1024, 1025):
        yield put(f"{A}/c/{'n' * length}", "Content-Type: a/b")
        yield request("DELETE", f"{A}/c/{'n' * length}")
    yield put(f"{A}/{'%C3%BC' * 129}")
    yield put(f"{A}/{'%C3%BC' * 257}")
    yield put(f"{A}/c%2Fx")
    yield put(f"{A}/.")
    yield put(f"{A}/..")
    yield put(f"{A}/%20")
    yield put(f"{A}/%00x")
    yield put(f"{A}/c/x%00y", "Content-Type: a/b")
    yield request("GET", A + "/" + "x" * 9000)


def framing():
    head = f"Host: {HOST}\r\nX-Auth-Token: T\r\n"
    raw = [
        f"GET {A}/c/o HTTP/1.1\r\n{head}X-A: b\r\n folded\r\n\r\n",
        f"GET {A}/c/o HTTP/1.1\n{head.replace(chr(13), '')}\n",
        f"GET {A}/c/o HTTP/1.1\r\n{head}X-Bare: a\nX-B: c\r\n\r\n",
        f"GET  {A}/c/o HTTP/1.1\r\n{head}\r\n",
        f"GET {A}/c/o  HTTP/1.1\r\n{head}\r\n",
        f"GET {A}/c/o\r\n\r\n",
        f"GET {A}/c/o HTTP/0.9\r\n{head}\r\n",
        f"GET {A}/c/o HTTP/1.0\r\n{head}\r\n",
        f"GET {A}/c/o HTTP/1.2\r\n{head}\r\n",
        f"GET {A}/c/o HTTP/2.0\r\n{head}\r\n",
        f"GET {A}/c/o HTTP/x\r\n{head}\r\n",
        f"GET {A}/c/o FTP/1.1\r\n{head}\r\n",
        f"GET {A}/c/o\tHTTP/1.1\r\n{head}\r\n",
        f"\r\nGET {A}/c/o HTTP/1.1\r\n{head}\r\n",
        f"GET {A}/c/o HTTP/1.1\r\n{head}No colon\r\n\r\n",
        f"GET {A}/c/o HTTP/1.1\r\n{head}: empty\r\n\r\n",
        f"GET {A}/c/o HTTP/1.1\r\n{head}Spaced : x\r\n\r\n",
        f"GET {A}/c/o HTTP/1.1\r\n{head}X-Nul: a\0b\r\n\r\n",
        f"GET {A}/c/o HTTP/1.1\r\nX-Auth-Token: T\r\n\r\n",
        f"GET {A}/c/o HTTP/1.1\r\n{head}Host: other\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: 3, 3\r\n\r\nabc",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: +3\r\n\r\nabc",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: -3\r\n\r\nabc",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: 0x3\r\n\r\nabc",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: \r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: 99999999999999999999\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Content-Length: 5368709123\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: gzip\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding : chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\nz\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        f"PUT {A}/c/f HTTP/1.1\r\n{head}Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc",
        f"GET {A}/c/o HTTP/1.1\r\n{head}Content-Length: 3\r\n\r\nabc",
        f"GET {A}/c/o HTTP/1.1\r\n{head}Connection: close\r\n\r\n",
        f"GET {A}/c/o HTTP/1.0\r\n{head}Connection: keep-alive\r\n\r\n",
        f"GET {A}/c/o HTTP/1.1\r\n{head}Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    ]
    for each in raw:
        yield each.encode("latin-1")
    yield request("GET", f"{A}/c/o", *[f"X-H-{i}: v" for i in range(150)])
    yield request("GET", f"{A}/c/o", "X-Big: " + "v" * 8100)
    yield request("GET", f"{A}/c/o", "X-Big: " + "v" * 9000)
    yield request("GET", f"{A}/c/o", *[f"X-Big-{i}: " + "v" * 7000 for i in range(6)])


def methods():
    for method in ["get", "Get", "TRACE", "CONNECT", "PATCH", "LINK", "PROPFIND", "REPLICATE", "SSYNC", "UPDATE", "X" * 40,
                   "G@T", "OPTIONS", "HEAD", "POST", "DELETE", "__init__", "GETorHEAD", "COPY"]:
        yield request(method, f"{A}/nowhere/o", "Content-Length: 0")
    for method in ["PUT", "DELETE", "COPY", "UPDATE", "REPLICATE", "OPTIONS"]:
        yield request(method, "/v1/AUTH_test", "Content-Length: 0")
        yield request(method, f"{A}/gone", "Content-Length: 0", "Destination: x/y")
        yield request("DELETE", f"{A}/gone")
    for path in ["/healthcheck", "/info", "/healthcheck/", "/info/", "/auth/v1.0", "/auth", "/", "/favicon.ico", "/crossdomain.xml",
                 "/recon/version", "/endpoints/AUTH_test/c/o"]:
        for method in ["GET", "HEAD", "POST"]:
            if (path, method) != ("/info", "GET"):
                yield request(method, path, token=None)


def auth():
    for token in [None, "", "x", "AUTH_tk", "AUTH_tk" + "0" * 32, "T ", "\u00fc"]:
        for path in [A, f"{A}/c", f"{A}/c/o"]:
            yield request("GET", path, token=token)
    for lines in [[], ["X-Auth-User: test:tester"], ["X-Auth-User: test:tester", "X-Auth-Key: wrong"],
                  ["X-Auth-User: test", "X-Auth-Key: x"], ["X-Auth-User: nobody:x", "X-Auth-Key: x"],
                  ["X-Auth-User: :", "X-Auth-Key: :"], ["X-Auth-User: \u00fc:\u00fc", "X-Auth-Key: \u00fc"],
                  ["X-Storage-User: test:tester", "X-Storage-Pass: wrong"]]:
        yield request("GET", "/auth/v1.0", *lines, token=None)
    for acl in [".r:*", ".r:*,.rlistings", ".r:-bad", ".r:", ".ref:x", ".rx:y", "a:b,c", "*:*", ".referrer:*.example.com",
                ".r:.example.com", " ", ",,", ".r:*,,,a:b", "\u00fc:\u00fc", ".r:-*", ".r:http://x", "a" * 300]:
        yield request("POST", f"{A}/c", f"X-Container-Read: {acl}", "Content-Length: 0")
        yield request("HEAD", f"{A}/c")
    for acl in [".r:*", "a:b", ".rlistings", "*"]:
        yield request("POST", f"{A}/c", f"X-Container-Write: {acl}", "Content-Length: 0")
    yield request("POST", f"{A}/c", "X-Container-Read: .r:*", "Content-Length: 0")
    for path in [f"{A}/c", f"{A}/c/o", f"{A}/c/gone", f"{A}/d/o"]:
        yield request("GET", path, token=None)
        yield request("GET", path, "Referer: http://example.com/x", token=None)
    yield request("POST", A, 'X-Account-Access-Control: {"admin": ["x"]}', "Content-Length: 0")
    yield request("POST", A, "X-Account-Access-Control: nonsense", "Content-Length: 0")
    yield request("POST", A, 'X-Account-Access-Control: {"rules": 1}', "Content-Length: 0")
    yield request("POST", A, "X-Account-Access-Control: ", "Content-Length: 0")
    yield request("POST", f"{A}/c", "X-Remove-Container-Read: x", "X-Remove-Container-Write: x", "Content-Length: 0")
    for name in ["X-Container-Sysmeta-A", "X-Backend-A", "X-Timestamp", "X-Object-Sysmeta-A", "X-Account-Host"]:
        yield request("HEAD", f"{A}/c", f"{name}: 1")


def metadata():
    def post(*headers):
        return request("POST", f"{A}/c/o", *headers, "Content-Length: 0")
    yield post("X-Object-Meta-A: 1")
    for name in ["a" * 128, "a" * 129, "", "\u00fc", "a.b", "a_b", "A-b-C"]:
        yield post(f"X-Object-Meta-{name}: v")
        yield request("POST", f"{A}/c", f"X-Container-Meta-{name}: v", "Content-Length: 0")
        yield request("POST", A, f"X-Account-Meta-{name}: v", "Content-Length: 0")
    for value in ["", " padded ", "\u00fc", "\udcff", "v" * 256, "v" * 257, "a,b", '"q"', "%20"]:
        yield post(f"X-Object-Meta-V: {value}")
        yield request("HEAD", f"{A}/c/o")
        yield request("POST", f"{A}/c", f"X-Container-Meta-V: {value}", "Content-Length: 0")
        yield request("HEAD", f"{A}/c")
    for count in (90, 91):
        yield post(*[f"X-Object-Meta-{i}: v" for i in range(count)])
        yield request("POST", f"{A}/d", *[f"X-Container-Meta-{i}: v" for i in range(count)], "Content-Length: 0")
    yield post(*[f"X-Object-Meta-{i}: {'v' * 250}" for i in range(17)])
    yield post("X-Object-Meta-A: 1", "X-Object-Meta-A: 2")
    yield request("HEAD", f"{A}/c/o")
    for lines in [["Content-Type: text/x"], ["Content-Type: "], ["Content-Type: a/b; swift_bytes=1"], ["Content-Disposition: x"],
                  ["Content-Encoding: gzip"], ["X-Static-Large-Object: True"], ["X-Object-Manifest: c/o"],
                  ["X-Remove-Object-Meta-A: x"], ["Etag: abc"], ["Content-Length: 7"]]:
        yield request("POST", f"{A}/c/o", *lines, *([] if "Content-Length: 7" in lines else ["Content-Length: 0"]))
        yield request("HEAD", f"{A}/c/o")
    yield request("POST", f"{A}/c/gone", "Content-Length: 0")
    yield request("POST", f"{A}/gone", "Content-Length: 0")
    for lines in [["Content-Type: \udcff"], ["Etag: wrong"], ['Etag: "781e5e245d69b566979b86e28d23f2c7"'], ["If-None-Match: *"],
                  ["If-None-Match: abc"], ["X-Detect-Content-Type: true", "Content-Type: a/b"], ["Content-Type: a/b; swift_x=1"]]:
        yield put(f"{A}/c/put.txt", *lines, body="0123456789")
    for name, values in {"X-Delete-At": ["0", "1", "x", "-5", "1e9", "99999999999", " 4102444800 ", "4102444800.5", ""],
                         "X-Delete-After": ["0", "-1", "x", "1.5", "100000", "9999999999999", ""]}.items():
        for value in values:
            yield put(f"{A}/c/expires", "Content-Type: a/b", f"{name}: {value}", body="x")
            yield request("POST", f"{A}/c/o", f"{name}: {value}", "Content-Length: 0")
    yield put(f"{A}/c/o", "Content-Type: text/plain", "X-Object-Meta-Color: red", body="0123456789")


def reading():
    for value in ["bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=10-", "bytes=9-99", "bytes=0-1,3-4", "bytes=-",
                  "bytes=a-b", "bytes", "items=0-1", "bytes=0-1,", "bytes=,0-1", "bytes= 0-1", "bytes=0 -1", "bytes=0-0,20-30",
                  "bytes=20-30,40-50", "bytes=-99", "bytes=0-1,0-1", "bytes=0-99999999999999999999", "Bytes=0-1", "bytes=0--1",
                  "bytes=" + ",".join(f"{i}-{i}" for i in range(9)), "bytes=" + ",".join("0-0" for _ in range(60)),
                  "bytes=+1-2", "bytes=1_0-"]:
        if "," not in value or value in ("bytes=0-1,", "bytes=,0-1", "bytes=0-0,20-30", "bytes=20-30,40-50"):
            yield request("GET", f"{A}/c/o", f"Range: {value}")
        else:
            yield request("HEAD", f"{A}/c/o", f"Range: {value}")
    yield request("GET", f"{A}/c/empty", "Range: bytes=0-")
    yield request("GET", f"{A}/c/empty", "Range: bytes=-1")
    etag, past, future = "781e5e245d69b566979b86e28d23f2c7", "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    for lines in [[f"If-Match: {etag}"], [f'If-Match: "{etag}"'], ["If-Match: *"], ["If-Match: x"], ["If-Match: "],
                  [f'If-Match: "x", "{etag}"'], [f'If-Match: W/"{etag}"'], [f"If-None-Match: {etag}"], ["If-None-Match: *"],
                  ["If-None-Match: x"], [f'If-None-Match: W/"{etag}"'], [f"If-Modified-Since: {past}"],
                  [f"If-Modified-Since: {future}"], ["If-Modified-Since: yesterday"], ["If-Modified-Since: 0"],
                  [f"If-Unmodified-Since: {past}"], [f"If-Unmodified-Since: {future}"], ["If-Unmodified-Since: x"],
                  [f"If-Match: {etag}", f"If-None-Match: {etag}"], [f"If-Match: x", f"If-Modified-Since: {future}"],
                  [f"If-None-Match: x", f"If-Modified-Since: {future}"], [f"If-Range: {etag}", "Range: bytes=0-1"],
                  ["If-Range: x", "Range: bytes=0-1"], [f"If-Range: {past}", "Range: bytes=0-1"],
                  [f"If-None-Match: {etag}", "Range: bytes=99-"], ["If-Match: x", "Range: bytes=99-"],
                  ["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], ["If-Modified-Since: Sun Nov  6 08:49:37 1994"]]:
        yield request("GET", f"{A}/c/o", *lines)
    yield request("GET", f"{A}/c/gone", "If-Match: *")
    yield request("GET", f"{A}/c/gone", "If-None-Match: *")
    yield request("GET", f"{A}/c/o", "X-Newest: true")
    yield request("GET", f"{A}/c/a%20b%2Fc")
    yield request("GET", f"{A}/c/%E2%98%83")


def listings():
    for path in [A, f"{A}/c"]:
        for query in ["", "format=json", "format=xml", "format=plain", "format=x", "format=JSON", "format=%FF", "limit=0", "limit=1",
                      "limit=-1", "limit=x", "limit=10000", "limit=10001", "limit=99999999999999999999", "limit=1.5", "limit=",
                      "marker=c", "marker=%FF", "marker=%00", "end_marker=d", "prefix=c", "prefix=zz", "prefix=%E2%98%83",
                      "delimiter=/", "delimiter=%2F&format=json", "delimiter=%E2%98%83", "delimiter=%FF", "delimiter=ab", "path=dir",
                      "path=", "path=dir/&format=json", "reverse=true", "reverse=on&marker=d", "reverse=x", "marker=d&end_marker=a",
                      "format=json&limit=2", "prefix=dir/&delimiter=/", "states=listing", "format=json&format=xml", "&&=&", "limit",
                      "format=json&prefix=dir&delimiter=/&reverse=1", "partition=1"]:
            yield request("GET", f"{path}?{query}" if query else path)
    for accept in ["*/*", "application/json", "application/xml", "text/xml;q=0.5, text/plain;q=0.1", "image/png", "nonsense",
                   "application/json;q=x", "", "text/*", "a/b,application/*"]:
        yield request("GET", f"{A}/c", f"Accept: {accept}")
        yield request("HEAD", f"{A}/c", f"Accept: {accept}")
    yield request("GET", f"{A}/gone")
    yield request("HEAD", f"{A}/gone")
    yield request("DELETE", f"{A}/c")


def copying():
    for value in ["c/copy", "/c/copy", "c", "/c", "c/", "", "/", "c//x", "gone/x", "c/%FF", "c/x?y", "%2Fc%2Fcopy", "c/a%2Fb", "/c/\u00fc"]:
        yield request("COPY", f"{A}/c/o", f"Destination: {value}", "Content-Length: 0")
        yield put(f"{A}/c/copied", f"X-Copy-From: {value}")
    for account in ["AUTH_test", "AUTH_other", "a/b", "", "%2F"]:
        yield request("COPY", f"{A}/c/o", "Destination: c/copy", f"Destination-Account: {account}", "Content-Length: 0")
        yield put(f"{A}/c/copied", "X-Copy-From: c/o", f"X-Copy-From-Account: {account}")
    yield put(f"{A}/c/copied", "X-Copy-From: c/o", body="not empty")
    yield put(f"{A}/c/copied", "X-Copy-From: c/o", "Range: bytes=2-3")
    yield put(f"{A}/c/copied", "X-Copy-From: c/o", "If-Match: x")
    yield put(f"{A}/c/copied", "X-Copy-From: c/o", "X-Fresh-Metadata: true")
    yield request("GET", f"{A}/c/copied")
    yield request("COPY", f"{A}/c", "Destination: c/x", "Content-Length: 0")


def links():
    for lines in [["X-Symlink-Target: c/o"], ["X-Symlink-Target: /c/o"], ["X-Symlink-Target: c"], ["X-Symlink-Target: "],
                  ["X-Symlink-Target: c/l"], ["X-Symlink-Target: c/%FF"], ["X-Symlink-Target: c/o", "X-Symlink-Target-Etag: x"],
                  ["X-Symlink-Target: c/o", "X-Symlink-Target-Etag: a;b"], ["X-Symlink-Target: c/gone", "X-Symlink-Target-Etag: x"],
                  ["X-Symlink-Target: c/o", "X-Symlink-Target-Account: a/b"], ["X-Symlink-Target: c/o", "X-Symlink-Target-Account: "],
                  ["X-Symlink-Target: c/o", "X-Symlink-Target-Etag: 781e5e245d69b566979b86e28d23f2c7"]]:
        yield put(f"{A}/c/l", *lines)
        for query in ["", "?symlink=get"]:
            yield request("HEAD", f"{A}/c/l{query}")
    yield put(f"{A}/c/l", "X-Symlink-Target: c/o", body="x")
    yield request("POST", f"{A}/c/l", "X-Object-Meta-A: b", "Content-Length: 0")
    yield request("POST", f"{A}/c/l", "X-Symlink-Target: c/o", "Content-Length: 0")
    yield request("GET", f"{A}/c/l", "Range: bytes=1-2")
    yield request("GET", f"{A}/c/l", "If-None-Match: 781e5e245d69b566979b86e28d23f2c7")
    yield request("GET", f"{A}/c?format=json&prefix=l")
    for name, target in [("loop1", "loop2"), ("loop2", "loop1")]:
        yield put(f"{A}/c/{name}", f"X-Symlink-Target: c/{target}")
    yield request("GET", f"{A}/c/loop1")
    yield put(f"{A}/c/broken", "X-Symlink-Target: c/gone")
    yield request("GET", f"{A}/c/broken")
    yield request("COPY", f"{A}/c/l?symlink=get", "Destination: c/l2", "Content-Length: 0")
    yield request("HEAD", f"{A}/c/l2?symlink=get")


def versions():
    yield put(f"{A}/old", "X-Versions-Location: a/b")
    yield put(f"{A}/old", "X-Versions-Location: oldv", "X-History-Location: x")
    yield put(f"{A}/old", "X-Versions-Location: oldv")
    yield request("HEAD", f"{A}/old")
    yield put(f"{A}/old/o", "Content-Type: a/b", body="1")
    yield put(f"{A}/old/o", "Content-Type: a/b", body="2")
    yield request("POST", f"{A}/old", "X-Versions-Enabled: true", "Content-Length: 0")
    yield request("POST", f"{A}/old", "X-Remove-Versions-Location: x", "Content-Length: 0")
    yield request("HEAD", f"{A}/old")
    yield put(f"{A}/v", "X-Versions-Enabled: true")
    yield request("HEAD", f"{A}/v")
    yield put(f"{A}/v/o", "Content-Type: a/b", body="1")
    yield put(f"{A}/v/o", "Content-Type: a/b", body="22")
    yield request("GET", f"{A}/v/o")
    for query in ["versions", "versions&limit=1", "versions&marker=o", "versions&version_marker=x", "versions&marker=o&version_marker=x",
                  "versions&delimiter=1", "versions&prefix=o&reverse=on", "versions&format=xml", "versions=false&marker=zz"]:
        yield request("GET", f"{A}/v?{query}")
    for query in ["version-id=x", "version-id=", "version-id=null", "version-id=1", "version-id=1_1", "version-id=99999999999"]:
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]:
            if (query, method) != ("version-id=", "DELETE"):
                yield request(method, f"{A}/v/o?{query}", "Content-Length: 0")
    yield request("DELETE", f"{A}/v/o")
    yield request("GET", f"{A}/v/o")
    yield request("DELETE", f"{A}/v")
    yield request("GET", f"{A}/c/o?version-id=1")
    yield request("GET", f"{A}?format=json")


def large_and_signed():
    for lines in [["X-Object-Manifest: c/dir"], ["X-Object-Manifest: c"], ["X-Object-Manifest: "], ["X-Object-Manifest: c/a?b"]]:
        yield put(f"{A}/c/m", "Content-Type: a/b", *lines)
        yield request("GET", f"{A}/c/m")
    for body in ["", "x", "{}", "[]", "[1]", '[{"path": "c/o"}]', '[{"path": "/c/gone"}]', '[{"path": "/c/o", "size_bytes": 1}]',
                 '[{"path": "/c/o", "etag": "x"}]', '[{"path": "/c/o", "range": "9-99"}]', '[{"data": "eA=="}]',
                 '[{"path": "/c/o", "x": 1}]', '[{"path": "/c/o"}]']:
        yield put(f"{A}/c/slo?multipart-manifest=put", "Content-Type: a/b", body=body)
    yield request("GET", f"{A}/c/slo")
    yield request("GET", f"{A}/c/slo?multipart-manifest=get")
    yield request("DELETE", f"{A}/c/slo?multipart-manifest=delete")
    for query in ["temp_url_sig=x", "temp_url_sig=x&temp_url_expires=1", "temp_url_sig=x&temp_url_expires=4102444800",
                  "temp_url_sig=&temp_url_expires=", "temp_url_sig=x&temp_url_expires=x", "temp_url_expires=4102444800"]:
        yield request("GET", f"{A}/c/o?{query}", token=None)
    yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", body="c/gone\n")
    yield request("PUT", f"{A}/c?extract-archive=tar", body="not a tar")
    yield request("PUT", f"{A}/c?extract-archive=zip", body="x")
    yield request("OPTIONS", f"{A}/c/o", "Origin: http://x", "Access-Control-Request-Method: GET")
    yield request("GET", f"{A}/c/o", "Origin: http://x")


GROUPS = {"prepare": prepare, "names": names, "framing": framing, "methods": methods, "auth": auth, "metadata": metadata,
          "reading": reading, "listings": listings, "copying": copying, "links": links, "versions": versions,
          "large and signed": large_and_signed, **limits.GROUPS, **filters.GROUPS, **signed.GROUPS, **cors.GROUPS,
          **tricks.GROUPS, **tars.GROUPS, **slow.GROUPS}
