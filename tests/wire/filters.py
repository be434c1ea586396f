"""Large objects, archives, deletions by the list, web sites, quotas, names in hosts: the edges of each filter."""

import bz2
import gzip
import hashlib
import io
import json
import tarfile

from message import A, post, put, request


def segments():
    for container in ("seg", "big"):
        yield put(f"{A}/{container}")
    for index, body in enumerate(["aaaaa", "bbbbb", "ccccc"]):
        yield put(f"{A}/seg/s{index}", "Content-Type: text/plain", body=body)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def slo_put(name, manifest, *headers, query="multipart-manifest=put"):
    body = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return put(f"{A}/big/{name}?{query}", "Content-Type: text/plain", *headers, body=body)


def segment(index, **more):
    return {"path": f"/seg/s{index}", **more}


def static_large_objects():
    yield from segments()
    a = md5("aaaaa")
    for manifest in ["null", "true", '"x"', "{}", "[{}]", "[[]]", "[null]", '[{"path": 1}]', '[{"path": ""}]', '[{"path": "seg"}]',
                     '[{"path": "/seg/"}]', '[{"path": "//s0"}]', '[{"path": "/seg/s0", "etag": 1}]', "[", '[{"path": "/seg/s0"},]',
                     '[{"path": "/seg/%FF"}]', '[{"path": "/seg/\\u0000"}]', '[{"path": "/seg/s0", "size_bytes": "x"}]',
                     '[{"path": "/seg/s0", "size_bytes": "5"}]', '[{"path": "/seg/s0", "size_bytes": 5.0}]',
                     '[{"path": "/seg/s0", "size_bytes": -1}]', '[{"path": "/seg/s0", "size_bytes": 6}]',
                     '[{"path": "/seg/s0", "size_bytes": null, "etag": null, "range": null}]', '[{"path": "/seg/s0", "extra": 1}]',
                     '[{"path": "/seg/s0", "data": "eA=="}]', '[{"data": ""}]', '[{"data": "x"}]', '[{"data": 1}]', '[{"data": "eA==", "etag": "x"}]',
                     '[{"data": "eA=="}, {"data": "eA=="}]', '[{"path": "/seg/s0", "range": "x"}]', '[{"path": "/seg/s0", "range": "0-1,2-3"}]',
                     '[{"path": "/seg/s0", "range": "3-1"}]', '[{"path": "/seg/s0", "range": "-"}]', '[{"path": "/seg/s0", "range": "9-"}]',
                     '[{"path": "/seg/s0", "range": 1}]', '[{"path": "/gone/s0"}]', "\xff"]:
        yield slo_put("bad", manifest)
    for headers in (["Accept: application/json"], ["Accept: text/xml"], ["Accept: image/png"], ["X-Copy-From: seg/s0"]):
        yield slo_put("bad", [segment("gone")], *headers)
    yield slo_put("self", [{"path": "/big/self"}])
    yield slo_put("two", [segment(0, etag=a, size_bytes=5), segment(1)])
    yield slo_put("two", [segment(0, etag=a, size_bytes=5), segment(1)], "Etag: wrong")
    yield slo_put("two", [segment(0), segment(1)], f"Etag: {md5(a + md5('bbbbb'))}")
    yield slo_put("ranges", [segment(0, range="1-2"), segment(0, range="-1"), {"data": "eHl6"}, segment(2, range="3-")])
    yield slo_put("nested", [{"path": "/big/two"}, segment(2), {"path": "/big/ranges", "range": "1-4"}])
    yield slo_put("beats", [segment(0)], query="multipart-manifest=put&heartbeat=on")
    yield slo_put("beats", [segment(0, etag="x")], query="multipart-manifest=put&heartbeat=on")
    for name in ("two", "ranges", "nested"):
        path = f"{A}/big/{name}"
        for query in ("", "?multipart-manifest=get", "?multipart-manifest=get&format=raw", "?multipart-manifest=x", "?part-number=1",
                      "?part-number=9", "?part-number=0", "?part-number=x"):
            yield request("GET", path + query)
            yield request("HEAD", path + query)
        for value in ("bytes=0-0", "bytes=4-5", "bytes=-3", "bytes=99-", "bytes=0-1,6-7", "bytes=x"):
            yield request("GET", path, f"Range: {value}")
        yield request("GET", path, "If-None-Match: *")
        yield request("GET", path, "If-Match: x")
        yield request("GET", path + "?part-number=1", "Range: bytes=0-0")
        yield post(path, "X-Object-Meta-A: b")
        yield request("COPY", path, f"Destination: big/{name}-copy", "Content-Length: 0")
        yield request("HEAD", f"{path}-copy")
        yield request("COPY", path + "?multipart-manifest=get", f"Destination: big/{name}-manifest", "Content-Length: 0")
        yield request("HEAD", f"{path}-manifest?multipart-manifest=get")
    yield request("GET", f"{A}/big?format=json")
    yield put(f"{A}/seg/s1", "Content-Type: text/plain", body="other")
    yield request("GET", f"{A}/big/nested", "Range: bytes=0-3")
    yield request("DELETE", f"{A}/seg/s2")
    yield request("GET", f"{A}/big/ranges", "Range: bytes=0-3")
    for accept in ("text/plain", "application/json", "text/xml"):
        yield request("DELETE", f"{A}/big/two-copy?multipart-manifest=delete", f"Accept: {accept}")
    for query in ("multipart-manifest=delete", "multipart-manifest=delete&async=on"):
        yield request("DELETE", f"{A}/big/nested?{query}", "Accept: application/json")
    yield request("DELETE", f"{A}/seg/s0?multipart-manifest=delete")
    yield slo_put("last", "[]")


def dynamic_large_objects():
    yield put(f"{A}/parts")
    for index in range(3):
        yield put(f"{A}/parts/p/{index}", "Content-Type: text/plain", body=f"{index}" * 5)
    for value in ("parts", "/parts/p", "parts/p/", "parts/", "parts/p?x", "parts/p&x", "", "%FF/x", "parts%2Fp", "gone/x", "parts/none"):
        yield put(f"{A}/big/dlo", "Content-Type: text/plain", f"X-Object-Manifest: {value}")
        yield request("HEAD", f"{A}/big/dlo")
        yield request("GET", f"{A}/big/dlo")
    yield put(f"{A}/big/dlo", "Content-Type: text/plain", "X-Object-Manifest: parts/p/")
    for value in ("bytes=0-0", "bytes=4-5", "bytes=-3", "bytes=99-", "bytes=0-1,6-7", "bytes=x"):
        yield request("GET", f"{A}/big/dlo", f"Range: {value}")
    for query in ("multipart-manifest=get", "multipart-manifest=put", "part-number=1"):
        yield request("GET", f"{A}/big/dlo?{query}")
    yield request("GET", f"{A}/big/dlo", "If-None-Match: *")
    yield request("COPY", f"{A}/big/dlo", "Destination: big/dlo-copy", "Content-Length: 0")
    yield request("HEAD", f"{A}/big/dlo-copy")
    yield post(f"{A}/big/dlo", "X-Object-Meta-A: b")
    yield request("HEAD", f"{A}/big/dlo")
    yield put(f"{A}/parts/loop", "Content-Type: text/plain", "X-Object-Manifest: parts/loop")
    yield request("GET", f"{A}/parts/loop")


def archive(*members, mode="w"):
    """A tar of (name, content or type) in bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content, "target"
                tar.addfile(info)
    return out.getvalue()


def archives():
    yield put(f"{A}/tar")
    plain = archive(("t/one", b"1"), ("t/two", b"22"))
    odd = {
        "paths": archive(("../up", b"x"), ("/abs", b"x"), ("./here", b"x"), ("a/../b", b"x"), ("a//b", b"x"), ("t", b"x")),
        "types": archive(("t/d", tarfile.DIRTYPE), ("t/l", tarfile.SYMTYPE), ("t/h", tarfile.LNKTYPE), ("t/n", tarfile.CHRTYPE),
                         ("t/b", tarfile.BLKTYPE), ("t/f", tarfile.FIFOTYPE), ("t/file", b"x")),
        "names": archive(("n" * 1024, b"x"), ("n" * 1025, b"x"), ("\u2603", b"x"), ("c" * 300 + "/o", b"x")),
        "pax": archive(("t/" + "long" * 60, b"x")),
        "empty": archive(),
        "cut head": plain[:300],
        "cut body": plain[:512 + 100],
        "no end": plain[:2048],
        "zeros": bytes(1024),
        "nothing": b"",
        "text": b"not an archive" * 100,
    }
    for accept in ("text/plain", "application/json", "text/xml", "image/png"):
        yield request("PUT", f"{A}/tar?extract-archive=tar", f"Accept: {accept}", body=plain)
    for body in odd.values():
        yield request("PUT", f"{A}/tar?extract-archive=tar", body=body)
        yield request("PUT", f"{A}?extract-archive=tar", body=body)
    packed = {"gz": (gzip.compress(plain, mtime=0), "tar.gz"), "bz2": (bz2.compress(plain), "tar.bz2")}
    for data, kind in packed.values():
        for body in (data, data[:-5], data[:40], data + b"rest", data + data, b"", b"x" * 50, data[:20] + b"\0" * 20 + data[40:]):
            yield request("PUT", f"{A}/tar/below/it?extract-archive={kind}", "Accept: text/plain", body=body)
    for kind in ("", "zip", "tar.xz", "TAR", "tar&x=y"):
        yield request("PUT", f"{A}/tar?extract-archive={kind}", body=plain)
    for path in ("/v1", "/v1/AUTH_other/c", A, f"{A}/gone"):
        yield request("PUT", f"{path}?extract-archive=tar", "Accept: application/json", body=plain)
    yield request("PUT", f"{A}/tar?extract-archive=tar", token=None, body=plain)
    yield request("GET", f"{A}/tar?extract-archive=tar")
    yield request("GET", f"{A}/tar")


def deletions():
    for name in ("x", "y%20z", "%E2%98%83"):
        yield put(f"{A}/tar/del/{name}", "Content-Type: a/b", body="x")
    for accept in ("text/plain", "application/json", "text/xml", "image/png", ""):
        yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", f"Accept: {accept}", body="tar/del/gone\n/tar/none\n")
    lists = ["", "\n\n", "tar/del/x", "/tar/del/y%20z\r\n", "tar/del/%E2%98%83\n", "tar/%FF", "tar/%zz", "gone", "gone/o", "seg", "/",
             "//", "/tar/", " tar/del/x ", "tar/del/x?y", "../tar", "a" * 2000, "\n".join(f"tar/none{i}" for i in range(50)), "\xff", "\0"]
    for body in lists:
        yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", "Accept: application/json", body=body)
    yield request("DELETE", f"{A}?bulk-delete", "Accept: application/json", body="tar/none")
    yield request("DELETE", f"{A}?bulk-delete", "Accept: application/json")
    yield request("POST", f"{A}?bulk-delete", "Content-Length: 0")
    yield request("POST", f"{A}?bulk-delete", "Content-Type: application/x", body="tar/none")
    yield request("POST", f"{A}/tar?bulk-delete", "Accept: application/json", body="tar/none")
    yield request("POST", f"{A}?bulk-delete", token=None, body="tar/none")
    yield request("GET", f"{A}?bulk-delete")
    yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", "Transfer-Encoding: chunked", body="8\r\ntar/none\r\n0\r\n\r\n")


def web_sites():
    site = f"{A}/site"
    yield put(site, "X-Container-Read: .r:*,.rlistings")
    for name, content_type in [("index.html", "text/html"), ("sub/index.html", "text/html"), ("other/page", "text/html"),
                               ("dir", "application/directory"), ("%3Cb%3E%26", "text/plain"), ("404error.html", "text/html"),
                               ("401error.html", "text/html"), ("listing.css", "text/css")]:
        yield put(f"{site}/{name}", f"Content-Type: {content_type}", body=f"<p>{name}")
    paths = ["", "/", "/index.html", "/sub", "/sub/", "/other", "/other/", "/dir", "/dir/", "/gone", "/gone/", "/%3Cb%3E%26", "/?limit=1"]
    settings = [[], ["X-Container-Meta-Web-Index: index.html"], ["X-Container-Meta-Web-Error: error.html"],
                ["X-Container-Meta-Web-Listings: true"], ["X-Container-Meta-Web-Listings-Css: listing.css",
                                                          "X-Container-Meta-Web-Listings-Label: a<b&c"],
                ["X-Remove-Container-Meta-Web-Index: x", "X-Container-Meta-Web-Directory-Type: application/directory"]]
    for headers in settings:
        yield post(site, *headers)
        for path in paths:
            yield request("GET", site + path, token=None)
        yield request("HEAD", site, token=None)
        yield request("HEAD", f"{site}/", token=None)
    yield request("GET", f"{site}/", "X-Web-Mode: true")
    yield request("GET", f"{site}/sub/", "X-Web-Mode: true")
    yield request("GET", f"{site}/", "X-Web-Mode: x")
    yield post(site, "X-Container-Read: nobody:x")
    for path in paths:
        yield request("GET", site + path, token=None)


def quotas():
    path = f"{A}/quota"
    yield put(path, "X-Container-Meta-Quota-Bytes: 10", "X-Container-Meta-Quota-Count: 2")
    for value in ("x", "-1", "", "1.5", "0", " 5 ", "99999999999999999999"):
        yield put(f"{A}/quota2", f"X-Container-Meta-Quota-Bytes: {value}")
        yield post(f"{A}/quota2", f"X-Container-Meta-Quota-Count: {value}")
    yield put(f"{path}/large", "Content-Type: a/b", body="x" * 11)
    yield put(f"{path}/fits", "Content-Type: a/b", body="x" * 10)
    yield put(f"{path}/copy", "X-Copy-From: c/o")
    yield request("COPY", f"{A}/c/o", "Destination: quota/copy", "Content-Length: 0")
    for name in ("X-Account-Meta-Quota-Bytes", "X-Account-Quota-Bytes-Policy-Gold", "X-Account-Meta-Quota-Count",
                 "X-Remove-Account-Meta-Quota-Bytes"):
        yield post(A, f"{name}: 1")


def hosts():
    for host in ("c.AUTH-test.example.net", "c.auth-test.example.net:8080", "AUTH-test.example.net", "a.b.AUTH-test.example.net",
                 "c.AUTH_test.example.net", "x.example.net", "example.net", ".example.net", "c..example.net", "c.AUTH-test.example.com"):
        for path in ("/o", "/", "/c/o", f"{A}/c/o", "/v1/c/o", "/healthcheck"):
            yield request("GET", path, host=host)
    yield request("GET", "/crossdomain.xml", token=None)
    yield request("GET", f"{A}/c/o", host="")
    yield request("GET", f"{A}/c/o", host="a b")


GROUPS = {"static large objects": static_large_objects, "dynamic large objects": dynamic_large_objects, "archives": archives,
          "deletions": deletions, "web sites": web_sites, "quotas": quotas, "hosts": hosts}
