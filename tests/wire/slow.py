"""Clients that stall, end early, leave or drip, and chunks that are none: what they are told, whether the connection goes on,
and what is stored afterwards. All of it goes to the second proxy, which waits but `client_timeout` of run.sh."""

import bz2
import gzip
import itertools

import signed
from filters import archive
from message import A, post, put, request
from raw import ENDS, GOES_ON, LEAVES, STALLS

# Longer than half of client_timeout, shorter than all of it.
DRIP_S = 1.2
numbers = itertools.count()


class Exchange:
    """A conversation that does not go as HTTP has it, on a connection of its own. It may run beside others.

    `steps` are bytes to send and seconds to wait; `ending` is one of raw's. Requests of `before` make what it needs, those
    of `afterwards` tell what came of it.
    """

    def __init__(self, title, steps, ending, before=(), afterwards=()):
        self.title, self.steps, self.ending = title, steps, ending
        self.before, self.afterwards = list(before), list(afterwards)


# Stands for the container of an exchange, in all that it sends, and is as long.
NAME = "slow-0000"
C = f"{A}/{NAME}"
LISTING = request("GET", f"{C}?format=json")


def exchanges(title, steps, *endings, before=(), afterwards=()):
    """The same steps with each ending, with a container of their own each, which is listed in the end."""
    for ending in endings or (STALLS, ENDS, LEAVES):
        own = f"slow-{next(numbers):04}".encode()

        def of_own(parts):
            return [part.replace(NAME.encode(), own) if isinstance(part, bytes) else part for part in parts]

        yield Exchange(title, of_own(steps), ending, of_own([put(C), *before]), of_own([*afterwards, LISTING]))


def upload(title, steps, *endings, path=f"{C}/o", method="PUT", lines=(), token="T", **around):
    """Exchanges of a request whose body is sent in `steps`."""
    head = request(method, path, *lines, token=token)
    yield from exchanges(title, [head + steps[0], *steps[1:]], *endings, **around)


def get(name):
    return request("GET", f"{C}/{name}")


def heads():
    line, host = f"GET {A}/c/o HTTP/1.1\r\n", "Host: wire.example\r\nX-Auth-Token: T\r\n"
    for title, text in {"nothing": "", "half a method": "GE", "half a target": f"GET {A}", "a request line": line,
                        "half a name": line + "Hos", "half a value": line + "Host: wire", "no empty line": line + host,
                        "a carriage return": line + host + "\r"}.items():
        for ending in (STALLS, ENDS, LEAVES):
            yield Exchange(f"head: {title}", [text.encode()], ending)
    yield Exchange("head: drips", [line.encode(), DRIP_S, b"Host: wire.example\r\n", DRIP_S, b"X-A: b\r\n", DRIP_S, b"\r\n"], GOES_ON)


LENGTH, CHUNKED = ["Content-Type: a/b", "Content-Length: 10"], ["Content-Type: a/b", "Transfer-Encoding: chunked"]


def bodies():
    for title, body in {"nothing": b"", "half": b"01234", "all but a byte": b"012345678"}.items():
        yield from upload(f"length: {title}", [body], lines=LENGTH, afterwards=[get("o")])
    for title, body in {"nothing": b"", "half a size": b"5", "a size": b"5\r\n", "half a chunk": b"5\r\nab", "a chunk": b"5\r\nabcde",
                        "a chunk and its end": b"5\r\nabcde\r\n", "no end": b"5\r\nabcde\r\n0\r\n", "half an end": b"5\r\nabcde\r\n0",
                        "trailers": b"5\r\nabcde\r\n0\r\nA: b\r\n"}.items():
        yield from upload(f"chunked: {title}", [body], lines=CHUNKED, afterwards=[get("o")])
    for size in (b"z", b"-1", b"+5", b"0x5", b"5 5", b"", b" 5", b"5;x", b"fffffffffffffffff", b"5" + b" " * 5000, b"7fffffffffffffff"):
        yield from upload(f"chunk of size {size[:20].decode()!r}", [size + b"\r\nabcde\r\n0\r\n\r\n"], GOES_ON, ENDS, lines=CHUNKED,
                          afterwards=[get("o")])
    for body in (b"5\nabcde\n0\n\n", b"5\r\nabcdefg\r\n0\r\n\r\n", b"5\r\nabcde0\r\n\r\n"):
        yield from upload(f"chunks {body!r}", [body], GOES_ON, ENDS, lines=CHUNKED, afterwards=[get("o")])
    yield from upload("length: drips", [b"0123", DRIP_S, b"456", DRIP_S, b"789"], GOES_ON, lines=LENGTH, afterwards=[get("o")])
    yield from upload("chunked: drips", [b"5", DRIP_S, b"\r\nab", DRIP_S, b"cde\r\n0\r\n", DRIP_S, b"\r\n"], GOES_ON, lines=CHUNKED,
                      afterwards=[get("o")])
    yield from upload("goes on after a refusal", [b"01234", 3, b"56789" + request("GET", f"{A}/c/o")], GOES_ON, lines=LENGTH)


def other_requests():
    """Bodies of requests that replace something, that are refused, or that have no use for a body."""
    first = put(f"{C}/o", "Content-Type: a/b", body="first")
    yield from upload("replaces", [b"half"], lines=LENGTH, before=[first], afterwards=[get("o")])
    yield from upload("If-None-Match", [b"half"], STALLS, ENDS, lines=[*LENGTH, "If-None-Match: *"], before=[first],
                      afterwards=[get("o")])
    yield from upload("versions", [b"half"], lines=LENGTH, afterwards=[get("o"), request("GET", f"{C}?versions")],
                      before=[post(C, "X-Versions-Enabled: true"), first])
    yield from upload("100-continue", [b"", 0.5, b"half"], lines=[*LENGTH, "Expect: 100-continue"], afterwards=[get("o")])
    yield from upload("wrong ETag", [b"half"], STALLS, ENDS, lines=[*LENGTH, f"Etag: {'0' * 32}"], afterwards=[get("o")])
    yield from upload("no token", [b"half"], STALLS, ENDS, lines=LENGTH, token=None)
    yield from upload("no container", [b"half"], STALLS, ENDS, lines=LENGTH, path=f"{C}-gone/o")
    yield from upload("too long a name", [b"half"], STALLS, ENDS, lines=LENGTH, path=f"{C}/" + "n" * 1025)
    yield from upload("link", [b"half"], STALLS, ENDS, lines=[*LENGTH, "X-Symlink-Target: c/o"], afterwards=[get("o?symlink=get")])
    yield from upload("copy", [b"half"], STALLS, ENDS, lines=[*LENGTH, "X-Copy-From: c/o"], afterwards=[get("o")])
    for method in ("GET", "HEAD", "POST", "DELETE", "COPY", "OPTIONS"):
        yield from upload("unwanted body", [b"half"], STALLS, ENDS, method=method, before=[first], afterwards=[get("o")],
                          lines=["Content-Length: 10", "Destination: d/copied"])
    for method in ("PUT", "POST", "DELETE"):
        yield from upload("container's body", [b"half"], STALLS, ENDS, method=method, path=C, lines=["Content-Length: 10"])
    yield from upload("account's body", [b"half"], STALLS, ENDS, method="POST", path=A, lines=["Content-Length: 10"])


MULTIPART = f"Content-Type: multipart/form-data; boundary={signed.BOUNDARY}"


def forms():
    yield from signed.keys()
    fields = {"redirect": "", "max_file_size": "1000", "max_file_count": "2", "expires": signed.FUTURE}
    file = signed.part("file1", "x" * 50, "one", "text/plain")
    for title, cut in {"nothing": 0, "half a boundary": 5, "half a field": 60, "within the header of a file": -80, "half a file": -30,
                       "a file": 10**6}.items():
        for ending in (STALLS, ENDS, LEAVES):
            path = f"{A}/slow-form-{next(numbers)}"
            text = "\n".join([f"{path}/f-", *fields.values()])
            body = "".join(signed.part(*each) for each in {**fields, "signature": signed.signature(text)}.items()) + file
            head = request("POST", f"{path}/f-", MULTIPART, "Content-Length: 5000", token=None)
            second = signed.part("file2", "y" * 50, "two")[:-20] if title == "a file" else ""
            yield Exchange(f"form: {title}", [head + (body[:cut] + second).encode()], ending, [put(path)],
                           [request("GET", f"{path}?format=json"), request("GET", f"{path}/f-one")])


def archives():
    noise = b"".join(bytes([index * 167 % 251, index * index % 253]) for index in range(20_000))
    plain = archive(("one", b"1"), ("two", noise), ("three", b"3"))
    cuts = {"nothing": 0, "half a header": 300, "a header": 512, "a file": 1024, "half the second header": 1200,
            "half the second file": 20_000, "no end": 512 * (2 + 1 + 79 + 2)}
    for title, cut in cuts.items():
        yield from upload(f"tar: {title}", [plain[:cut]], path=f"{C}?extract-archive=tar", afterwards=[get("one"), get("two")],
                          lines=[f"Content-Length: {len(plain)}", "Accept: application/json"])
    yield from upload("tar in chunks", [b"4000\r\n" + plain[:10_000]], path=f"{C}?extract-archive=tar", afterwards=[get("two")],
                      lines=["Transfer-Encoding: chunked", "Accept: text/plain"])
    yield from upload("tar, bad chunk", [b"800\r\n" + plain[:2048] + b"\r\nzz\r\n"], GOES_ON, ENDS, path=f"{C}?extract-archive=tar",
                      lines=["Transfer-Encoding: chunked", "Accept: application/xml"], afterwards=[get("two")])
    for ending in (STALLS, ENDS):
        name = f"slow-tar-{next(numbers)}"
        head = request("PUT", f"{A}?extract-archive=tar", "Content-Length: 90000")
        yield Exchange("tar into the account", [head + archive((f"{name}/one", b"1"), (f"{name}/two", noise))[:10_000]], ending, [],
                       [request("GET", f"{A}/{name}?format=json")])
    for kind, packed in {"tar.gz": gzip.compress(plain, mtime=0), "tar.bz2": bz2.compress(plain)}.items():
        for title, cut in {"nothing": 0, "a byte": 1, "half a header": 7, "half": len(packed) // 2, "all but the end": len(packed) - 6}.items():
            yield from upload(f"{kind}: {title}", [packed[:cut]], path=f"{C}?extract-archive={kind}", afterwards=[get("two")],
                              lines=[f"Content-Length: {len(packed)}", "Accept: application/json"])
    yield from upload("tar: drips", [plain[:700], DRIP_S, plain[700:9000], DRIP_S, plain[9000:]], GOES_ON,
                      path=f"{C}?extract-archive=tar", lines=[f"Content-Length: {len(plain)}", "Accept: application/json"],
                      afterwards=[get("two")])


def lists():
    """Manifests and lists of what to delete."""
    listed = put(f"{C}/x", "Content-Type: a/b", body="x")
    whole = b'[{"path": "/c/o"}]'
    manifest = {"path": f"{C}/slo?multipart-manifest=put", "afterwards": [get("slo"), get("slo?multipart-manifest=get")]}
    for title, cut in {"nothing": 0, "half": 9, "all but a byte": len(whole) - 1}.items():
        yield from upload(f"manifest: {title}", [whole[:cut]], lines=[f"Content-Length: {len(whole)}"], **manifest)
    yield from upload("manifest: more promised", [whole], lines=["Content-Length: 50"], **manifest)
    yield from upload("manifest in chunks", [b"12\r\n" + whole], lines=["Transfer-Encoding: chunked"], **manifest)
    yield from upload("manifest, bad chunk", [b"12\r\n" + whole + b"\r\nzz\r\n"], GOES_ON, ENDS, lines=["Transfer-Encoding: chunked"],
                      **manifest)
    yield from upload("manifest with heartbeat", [whole[:9]], path=f"{C}/slo?multipart-manifest=put&heartbeat=on",
                      lines=["Content-Length: 18"], afterwards=[get("slo")])
    for accept in ("text/plain", "application/json"):
        deletion = {"path": f"{A}?bulk-delete", "before": [listed], "afterwards": [get("x")]}
        lines = ["Content-Type: text/plain", f"Accept: {accept}"]
        for method in ("POST", "DELETE"):
            for title, body in {"nothing": b"", "a line": f"{NAME}/x\n".encode(), "half a line": f"{NAME}/x\nslow-no".encode()}.items():
                yield from upload(f"bulk-delete: {title}", [body], method=method, lines=[*lines, "Content-Length: 50"], **deletion)
        yield from upload("bulk-delete in chunks", [f"c\r\n{NAME}/x\n\r\n".encode()], method="POST", lines=[*lines, "Transfer-Encoding: chunked"],
                          **deletion)
        yield from upload("bulk-delete, bad chunk", [f"c\r\n{NAME}/x\n\r\nzz\r\n".encode()], GOES_ON, ENDS, method="POST",
                          lines=[*lines, "Transfer-Encoding: chunked"], **deletion)


GROUPS = {"slow heads": heads, "slow bodies": bodies, "slow requests of other kinds": other_requests, "slow forms": forms,
          "slow archives": archives, "slow lists": lists}
