"""Archives that play tricks: bombs, paths that lead elsewhere, members that are no files, headers that are none.

A member that claims more than a file may have is not among them: Python Swift passes it over by reading its end again and again,
and answers nobody meanwhile.
"""

import bz2
import gzip
import itertools

from message import A, put, request

BLOCK = 512
numbers = itertools.count()


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def header(name, size=0, kind=b"0", magic=b"ustar\x0000", prefix=b"", link=b"", checksum=None, size_field=None):
    """A header block, field by field, so that each can be wrong."""
    field = b"%011o\0" % max(size, 0) if size_field is None else size_field
    block = (name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + field + b"00000000000\0" + b" " * 8 + kind
             + link.ljust(100, b"\0") + magic + bytes(80) + prefix.ljust(155, b"\0")).ljust(BLOCK, b"\0")
    total = b"%06o\0 " % sum(block) if checksum is None else checksum
    return block[:148] + total + block[156:]


def member(name, body=b"x", **fields):
    return header(name, len(body), **fields) + padded(body)


def pax(*fields, kind=b"x"):
    """A PAX header; a field is (name, value), or bytes as they are."""
    data = b""
    for field in fields:
        if isinstance(field, tuple):
            line = b" " + field[0] + b"=" + field[1] + b"\n"
            length = next(n for n in range(len(line), len(line) + 10) if n == len(line) + len(str(n)))
            field = b"%d" % length + line
        data += field
    return member(b"pax", data, kind=kind)


def gnu(name, kind=b"L"):
    return member(b"././@LongLink", name, kind=kind, magic=b"ustar  \0")


END = bytes(2 * BLOCK)
AFTER = member(b"after")
PATHS = {
    "up": b"../x", "up and up": b"../../../../x", "up within": b"a/../../x", "dot": b"./x", "dots": b"././x", "dot within": b"a/./x",
    "absolute": b"/x", "two slashes": b"//x", "slashes within": b"a//x", "ends with a slash": b"x/", "only a slash": b"/", "only a dot": b".",
    "only dots": b"..", "nothing": b"", "blank": b" ", "line end": b"a\nb", "carriage return": b"a\rb", "question mark": b"a?b", "hash": b"a#b",
    "per cent": b"a%2Fb", "per cent and no digits": b"a%zz", "backslash": b"..\\x", "colon": b"c:x", "no UTF-8": b"\xff", "half of UTF-8": b"\xe2\x98",
    "surrogate": b"\xed\xa0\x80", "UTF-8": "\u2603".encode(), "control": b"\x01\x7f", "quote": b"a\"b'c<d>&", "full": b"n" * 100, "NUL": b"a\0b",
}


def paths():
    for title, name in PATHS.items():
        yield title, member(name) + AFTER + END
        yield f"{title}, in PAX", pax((b"path", name)) + member(b"short") + AFTER + END
        yield f"{title}, GNU", gnu(name + b"\0") + member(b"short", magic=b"ustar  \0") + AFTER + END
    yield "prefix", member(b"name", prefix=b"prefix") + END
    yield "prefix that leads up", member(b"name", prefix=b"../..") + END
    yield "prefix of GNU", member(b"name", prefix=b"prefix", magic=b"ustar  \0") + END
    yield "full prefix", member(b"n" * 100, prefix=b"p" * 155) + END


def members():
    for kind in b"0\0123456789AbDGKLMNSVXgx":
        yield f"kind {chr(kind)!r}", member(b"odd", b"data", kind=bytes([kind]), link=b"../target") + AFTER + END
        yield f"kind {chr(kind)!r}, empty", member(b"odd", b"", kind=bytes([kind]), link=b"after") + AFTER + END
    for title, magic in {"no magic": bytes(8), "other magic": b"nothing!", "GNU": b"ustar  \0", "star": b"ustar\0  "}.items():
        yield title, member(b"file", magic=magic) + END
    for title, field in {"blanks": b"          1 ", "no digits": b"zzzzzzzzzzz\0", "base 256": b"\x80" + bytes(10) + b"\1",
                         "negative": b"\xff" * 12, "nothing": bytes(12), "eight": b"00000000008\0",
                         "minus": b"-0000000001\0"}.items():
        yield f"size, {title}", header(b"file", size_field=field) + padded(b"x") + AFTER + END
    yield "checksum", member(b"one") + header(b"two", checksum=b"000000\0 ") + AFTER + END
    yield "checksum first", header(b"two", checksum=b"000000\0 ") + AFTER + END
    yield "junk between", member(b"one") + b"j" * BLOCK + AFTER + END
    yield "zeros between", member(b"one") + bytes(BLOCK) + AFTER + END
    yield "two ends", member(b"one") + END + AFTER + END
    yield "same name twice", member(b"one", b"first") + member(b"one", b"second") + END
    yield "odd tail", member(b"one") + END + b"tail"


def extensions():
    file, gnu_file = member(b"file"), member(b"file", magic=b"ustar  \0")
    for title, fields in {
        "size": [(b"size", b"0")], "larger size": [(b"size", b"600")], "size of letters": [(b"size", b"x")], "size below 0": [(b"size", b"-1")],
        "no name": [(b"", b"x")], "no value": [(b"path", b"")], "link": [(b"linkpath", b"x")],
        "two paths": [(b"path", b"first"), (b"path", b"second")], "length 0": [b"0 path=x\n"], "length too long": [b"99 path=x\n"],
        "length too short": [b"3 path=x\n"], "no length": [b"path=x\n"], "no line end": [b"9 path=x"], "no equals": [b"9 path:x\n"],
        "junk": [b"\xff" * 20], "nothing": [], "NUL": [b"\0" * 20], "charset": [(b"hdrcharset", b"BINARY"), (b"path", b"\xff")],
        "other charset": [(b"hdrcharset", b"x"), (b"path", b"y")], "content type": [(b"SCHILY.xattr.user.mime_type", b"a/b")],
        "libarchive": [(b"LIBARCHIVE.xattr.user.mime_type", b"a/b")], "metadata": [(b"SCHILY.xattr.user.meta.color", b"red")],
        "metadata, no UTF-8": [(b"SCHILY.xattr.user.meta.color", b"\xff")], "snowman": [(b"SCHILY.xattr.user.meta.color", "\u2603".encode())],
        "metadata, long": [(b"SCHILY.xattr.user.meta.color", b"v" * 257)], "metadata, long name": [(b"SCHILY.xattr.user.meta." + b"n" * 129, b"v")],
        "other attribute": [(b"SCHILY.xattr.user.x", b"v")], "sparse": [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                                                                      (b"GNU.sparse.name", b"sparse"), (b"GNU.sparse.realsize", b"10")],
        "old sparse": [(b"GNU.sparse.size", b"10"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"0,1")],
        "time": [(b"mtime", b"x"), (b"uid", b"x")], "many": [(b"k%d" % index, b"v") for index in range(2000)],
    }.items():
        yield f"PAX, {title}", pax(*fields) + file + AFTER + END
        yield f"PAX of all, {title}", pax(*fields, kind=b"g") + file + AFTER + END
    yield "PAX and nothing", pax((b"path", b"x")) + END
    yield "PAX of PAX", pax((b"path", b"first")) + pax((b"path", b"second")) + file + END
    yield "PAX over GNU", gnu(b"gnu\0") + pax((b"path", b"pax")) + gnu_file + END
    yield "GNU over PAX", pax((b"path", b"pax")) + gnu(b"gnu\0") + gnu_file + END
    yield "GNU and nothing", gnu(b"name\0") + END
    yield "GNU of GNU", gnu(b"one\0") + gnu(b"two\0") + gnu_file + END
    yield "GNU link", gnu(b"link\0", b"K") + gnu_file + END
    yield "GNU, no NUL", gnu(b"name") + gnu_file + END
    yield "GNU, nothing", gnu(b"") + gnu_file + END
    yield "GNU, long", gnu(b"n" * 1020 + b"\0") + gnu_file + END
    yield "GNU, too long", gnu(b"n" * 1100 + b"\0") + gnu_file + END
    yield "GNU, a path", gnu(b"a/" * 300 + b"x\0") + gnu_file + END
    yield "chain of GNU", b"".join(gnu(b"n%d\0" % index) for index in range(200)) + gnu_file + END


def uploads(kinds):
    def requests():
        for title, data in kinds():
            path = f"{A}/tar-{next(numbers)}"
            yield request("PUT", f"{path}?extract-archive=tar", "Accept: application/json", f"X-Title: {title}", body=data)
            yield request("GET", f"{path}?format=json", f"X-Title: {title}")

    return requests


def bombs():
    """Small where they are packed, large in files, in folders, in what is refused. Their limits are those of the second proxy."""
    def upload(title, data, kind="tar", path=f"{A}/bomb"):
        return request("PUT", f"{path}?extract-archive={kind}", "Accept: application/json", f"X-Title: {title}", body=data)

    yield put(f"{A}/bomb")
    zeros = header(b"\xff", 64 << 20) + bytes(64 << 20)
    yield upload("zeros", gzip.compress(zeros + AFTER + END, 1, mtime=0), "tar.gz")
    # Python Swift unpacks bzip2 in one go, and then copies what is left of it for each 10 KiB that it passes over
    few_zeros = header(b"\xff", 2 << 20) + bytes(2 << 20)
    yield upload("zeros", bz2.compress(few_zeros + AFTER + END), "tar.bz2")
    yield upload("zeros in zeros", gzip.compress(gzip.compress(zeros + END, 1, mtime=0), mtime=0), "tar.gz")
    yield upload("folders", gzip.compress(b"".join(member(b"%d/" % index, b"", kind=b"5") for index in range(20_000)) + END, 1, mtime=0), "tar.gz")
    yield upload("global headers", gzip.compress(b"".join(pax((b"k%d" % index, b"v" * 100), kind=b"g") for index in range(500)) + AFTER + END,
                                                 mtime=0), "tar.gz")
    yield upload("one after the other", gzip.compress(AFTER, mtime=0) * 50 + gzip.compress(END, mtime=0), "tar.gz")
    yield upload("a header of 64 MiB", gzip.compress(header(b"pax", 64 << 20, kind=b"x") + bytes(64 << 20) + AFTER + END, 1, mtime=0), "tar.gz")
    yield upload("a name of 2 MiB", gzip.compress(gnu(b"n" * (2 << 20) + b"\0") + AFTER + END, mtime=0), "tar.gz")
    for count in (2, 3, 4, 5):
        yield upload(f"{count} failures", b"".join(member(b"\xff%d" % index) for index in range(count)) + AFTER + END)
        yield upload(f"{count} containers", b"".join(member(b"bomb-%d-%d/x" % (count, index)) for index in range(count)) + END, path=A)
        yield from (request("HEAD", f"{A}/bomb-{count}-{index}") for index in range(count))
    for count in (5, 6):
        yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", "Accept: application/json",
                      body="\n".join(f"gone/{index}" for index in range(count)))
    for count in (3, 4, 5):
        yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", "Accept: application/json",
                      body="\n".join(f"gone/%FF{index}" for index in range(count)))
    for length in (2000, 3000, 5000, 100_000):
        yield request("POST", f"{A}?bulk-delete", "Content-Type: text/plain", "Accept: application/json", body="c/" + "n" * length)
    yield request("GET", f"{A}/bomb?format=json")


SECOND = "bombs"
GROUPS = {"paths in archives": uploads(paths), "members of archives": uploads(members), "extensions of archives": uploads(extensions),
          SECOND: bombs}
