"""Signed links and forms: what each parameter may be, and what is refused."""

import hashlib
import hmac

from message import A, post, put, request

KEY, FUTURE = "a key", "4102444800"
DIGESTS = ("sha1", "sha256", "sha512")


def signature(text, digest="sha256", key=KEY):
    return hmac.new(key.encode(), text.encode(), getattr(hashlib, digest)).hexdigest()


def link(path, method="GET", expires=FUTURE, digest="sha256", key=KEY, **more):
    signed = signature(f"{method}\n{expires}\n{path}", digest, key)
    extra = "".join(f"&{name}" + (f"={value}" if value is not None else "") for name, value in more.items())
    return f"{path}?temp_url_sig={signed}&temp_url_expires={expires}{extra}"


def keys():
    yield post(A, f"X-Account-Meta-Temp-URL-Key: {KEY}")
    yield post(f"{A}/c", "X-Container-Meta-Temp-URL-Key-2: other key")


def links():
    yield from keys()
    path = f"{A}/c/o"
    for digest in DIGESTS:
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"):
            yield request(method, link(path, method, digest=digest), token=None, body="x" if method in ("PUT", "POST") else None)
        yield put(path, "Content-Type: text/plain", body="0123456789")
    yield request("HEAD", link(path, "PUT"), token=None)
    yield request("PUT", link(path), token=None, body="x")
    yield request("GET", link(path, key="other key"), token=None)
    yield request("GET", link(f"{A}/d/o", key="other key"), token=None)
    yield request("GET", link(path, key="wrong"), token=None)
    yield request("GET", link(f"{A}/c/gone"), token=None)
    yield request("GET", link(f"{A}/c"), token=None)
    yield request("GET", link(path).replace("/o?", "/empty?"), token=None)
    for expires in ("0", "1", "-1", "x", "", "2100-01-01T00:00:00Z", "2100-01-01T00:00:00", "2100-01-01", "2000-01-01T00:00:00Z",
                    "99999999999999999999", "4102444800.5"):
        yield request("GET", link(path, expires=expires), token=None)
    for filename in ("f", "a%22b", "%E2%98%83", "a%2Fb", "", "a%0D%0Ab", "%FF"):
        yield request("GET", link(path, filename=filename), token=None)
        yield request("GET", link(path, filename=filename, inline=None), token=None)
    yield request("GET", link(path, inline=""), token=None)
    yield request("GET", link(f"{A}/c/dir/one"), token=None)
    yield request("GET", link(path), "Range: bytes=0-1", token=None)
    yield request("GET", link(path), "Origin: http://a.example", token=None)
    yield request("PUT", link(f"{A}/c/signed", "PUT"), "X-Object-Manifest: c/o", token=None, body="x")
    yield request("PUT", link(f"{A}/c/signed", "PUT"), "X-Symlink-Target: c/o", token=None, body="")
    yield request("PUT", link(f"{A}/c/signed", "PUT", **{"multipart-manifest": "put"}), token=None, body='[{"path": "c/o"}]')
    yield request("GET", link(path, **{"multipart-manifest": "get"}), token=None)
    yield request("GET", link(path) + "&temp_url_sig=x", token=None)
    yield request("GET", link(path))
    for prefix in ("", "o", "dir", "x", "%E2"):
        signed = signature(f"GET\n{FUTURE}\nprefix:{A}/c/{prefix}")
        query = f"temp_url_sig={signed}&temp_url_expires={FUTURE}&temp_url_prefix={prefix}"
        for name in ("o", "dir/one", "gone"):
            yield request("GET", f"{A}/c/{name}?{query}", token=None)
    for ip_range in ("127.0.0.1", "127.0.0.0/8", "10.0.0.0/8", "::1", "x", "", "127.0.0.1/99"):
        signed = signature(f"ip={ip_range}\nGET\n{FUTURE}\n{path}")
        yield request("GET", f"{path}?temp_url_sig={signed}&temp_url_expires={FUTURE}&temp_url_ip_range={ip_range}", token=None)
    encoded = "sha256:" + __import__("base64").urlsafe_b64encode(
        hmac.new(KEY.encode(), f"GET\n{FUTURE}\n{path}".encode(), hashlib.sha256).digest()).decode()
    for signed in (encoded, encoded.rstrip("="), "sha256:x", "md5:x", "sha256:", "z" * 64, "A" * 40, "a" * 32, "a" * 65):
        yield request("GET", f"{path}?temp_url_sig={signed}&temp_url_expires={FUTURE}", token=None)


BOUNDARY = "frontier"


def part(name, value, filename=None, content_type=None):
    head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    head += f"\r\nContent-Type: {content_type}" if content_type else ""
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n{value}\r\n"


def form(path, *files, redirect="", max_file_size="100", max_file_count="2", expires=FUTURE, digest="sha256", signed=None, end=None,
         content_type=f"multipart/form-data; boundary={BOUNDARY}", more=()):
    text = f"{path}\n{redirect}\n{max_file_size}\n{max_file_count}\n{expires}"
    fields = {"redirect": redirect, "max_file_size": max_file_size, "max_file_count": max_file_count, "expires": expires,
              "signature": signature(text, digest) if signed is None else signed, **dict(more)}
    body = "".join(part(name, value) for name, value in fields.items()) + "".join(files)
    body += f"--{BOUNDARY}--\r\n" if end is None else end
    return request("POST", path, f"Content-Type: {content_type}", token=None, body=body)


def forms():
    yield from keys()
    path = f"{A}/c/form/"
    file = part("file1", "content", "one.txt", "text/plain")
    for digest in DIGESTS:
        yield form(path, file, digest=digest)
    yield form(path, file, part("file2", "more", "two.txt"))
    yield form(path, file, file, file)
    yield form(path)
    for redirect in ("http://x.example/", "http://x.example/?a=b", "/relative", "\u2603"):
        yield form(path, file, redirect=redirect)
        yield form(path, part("f", "x" * 101, "big"), redirect=redirect)
    for size in ("0", "7", "6", "-1", "x", ""):
        yield form(path, file, max_file_size=size)
    for count in ("0", "1", "-1", "x", ""):
        yield form(path, file, max_file_count=count)
    for expires in ("0", "x", "", "-1", "99999999999999999999"):
        yield form(path, file, expires=expires)
    for signed in ("", "x", "0" * 40, "0" * 64):
        yield form(path, file, signed=signed)
    for end in ("", f"--{BOUNDARY}", f"--{BOUNDARY}--", "x", f"--{BOUNDARY}\r\n", f"--{BOUNDARY}\r\nX: y\r\n"):
        yield form(path, file, end=end)
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other",
                         f'multipart/form-data; boundary="{BOUNDARY}"', f"multipart/form-data; charset=utf-8; boundary={BOUNDARY}",
                         "multipart/form-data; boundary=" + "b" * 300, f"MULTIPART/form-data; boundary={BOUNDARY}"):
        yield form(path, file, content_type=content_type)
    for filename in ("", "a/b", "../up", "\u2603", "a b", "%FF", "n" * 1100):
        yield form(path, part("file1", "content", filename, "text/plain"))
    for more in ({"x_delete_at": "4102444800"}, {"x_delete_after": "100"}, {"x_delete_at": "x"}, {"x_delete_at": "1"},
                 {"content-type": "a/b"}, {"content-encoding": "gzip"}, {"x-extra": "y" * 9000}):
        yield form(path, file, more=tuple(more.items()))
    yield form(f"{A}/c", file)
    yield form(A, file)
    yield form(f"{A}/gone/x", file)
    yield form("/v1/AUTH_other/c/x", file)
    yield request("GET", f"{A}/c?prefix=form/")


GROUPS = {"signed links": links, "signed forms": forms}
