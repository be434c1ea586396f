"""Every constraint of [swift-constraints] at its limit and over it, and parameters of listings."""

from message import A, post, put, request

KINDS = {"Account": A, "Container": f"{A}/limits", "Object": f"{A}/limits/o"}


def constraints():
    yield put(f"{A}/limits")
    yield put(f"{A}/limits/o", "Content-Type: a/b", body="x")
    for kind, path in KINDS.items():
        def meta(name, value, kind=kind):
            return f"X-{kind}-Meta-{name}: {value}"

        for length in (127, 128, 129):
            yield post(path, meta("n" * length, "v"))
            yield post(path, f"X-Remove-{kind}-Meta-{'n' * length}: x")
        for length in (255, 256, 257):
            yield post(path, meta("V", "v" * length))
        for count in (89, 90, 91):
            yield post(path, *[meta(f"C{i}", "v") for i in range(count)])
            yield post(path, *[f"X-Remove-{kind}-Meta-C{i}: x" for i in range(count)])
        for last in (249, 250):  # 16 times 250 and a name of 2, then up to 4096 and over it
            sizes = [meta(f"S{i:x}", "v" * 248) for i in range(16)] + [meta("Z", "v" * (last - 154))]
            yield post(path, *sizes)
            yield post(path, *[f"X-Remove-{kind}-Meta-S{i:x}: x" for i in range(16)], f"X-Remove-{kind}-Meta-Z: x")
        yield request("HEAD", path)
        for name in ("\u2603", "\u00e9", "\udcff", "a=b", "(c)"):
            yield post(path, meta(name, "v"))
        for value in ("\udcff", "\u2603", "a\tb", "\x7f", "\x01"):
            yield post(path, meta("Value", value))
    for length in (8191, 8192, 8193):
        yield request("GET", f"{A}/d", "X-Large: " + "v" * (length - 11))
        yield request("GET", f"{A}/d?" + "q" * (length - len(f"GET {A}/d? HTTP/1.1") - 2))
    for count in (121, 122, 123, 124, 130):
        yield request("GET", f"{A}/d", *[f"X-H{i}: v" for i in range(count)])
    for length in (5368709121, 5368709122, 5368709123):
        yield request("PUT", f"{A}/limits/o", "Content-Type: a/b", f"Content-Length: {length}", "If-None-Match: *", "Expect: 100-continue")
    for name in ("c" * 256, "c" * 257, "\u2603" * 85, "\u2603" * 86):
        quoted = "".join(f"%{byte:02X}" for byte in name.encode())
        yield put(f"{A}/{quoted}")
        yield request("DELETE", f"{A}/{quoted}")
        yield put(f"{A}/{quoted}/o", "Content-Type: a/b")
    for name in ("o" * 1024, "o" * 1025, "\u2603" * 341, "\u2603" * 342):
        quoted = "".join(f"%{byte:02X}" for byte in name.encode())
        yield put(f"{A}/limits/{quoted}", "Content-Type: a/b")
        yield request("COPY", f"{A}/limits/o", f"Destination: limits/{quoted}", "Content-Length: 0")
        yield request("DELETE", f"{A}/limits/{quoted}")
    for length in (255, 256, 257):
        yield request("HEAD", f"/v1/AUTH_{'a' * (length - 5)}")
        yield request("PUT", f"/v1/AUTH_{'a' * (length - 5)}/c", "Content-Length: 0")


def storage_policies():
    for policy in ("gold", "GOLD", "silver", "tin", "", "0", "\u00fc"):
        yield put(f"{A}/policy-{len(policy)}{policy[:1] if policy.isascii() else ''}", f"X-Storage-Policy: {policy}")
    yield put(f"{A}/policy-4g", "X-Storage-Policy: silver")
    yield post(f"{A}/policy-4g", "X-Storage-Policy: silver")
    yield request("HEAD", f"{A}/policy-4g")
    yield request("HEAD", f"{A}/policy-6s")


def listing_parameters():
    path = f"{A}/list"
    yield put(path)
    names = ["a", "a/", "a/1", "a/2/x", "a-b", "b/1", "b/2", "\u2603/1", "\u2603", "z%25", "q%22uote", "lt%3C%26", "%C2%85", "%0A"]
    for name in names:
        quoted = "".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in name)
        yield put(f"{path}/{quoted}", "Content-Type: text/plain; x=%C3%BC", body=name)
    shapes = ["", "format=json&", "format=xml&"]
    for query in ["prefix=a", "prefix=a/", "delimiter=/", "prefix=a/&delimiter=/", "prefix=a&delimiter=/", "delimiter=/&marker=a/",
                  "delimiter=/&marker=a/1", "delimiter=/&end_marker=b", "delimiter=/&reverse=true", "delimiter=/&limit=2",
                  "delimiter=/&limit=2&marker=a/", "delimiter=/1", "delimiter=-", "delimiter=%E2%98%83", "path=", "path=a", "path=a/",
                  "path=a&limit=1", "path=b&marker=b/1", "path=a&prefix=b", "path=a&delimiter=x", "marker=a&end_marker=b",
                  "marker=b&end_marker=a&reverse=on", "marker=%E2%98%83", "prefix=%E2%98%83&delimiter=/", "limit=0", "limit=3",
                  "end_marker=", "marker=", "prefix=&delimiter=", "reverse=yes&limit=2", "prefix=zzz", "delimiter=/&prefix=%00",
                  "prefix=a%00", "marker=z&reverse=t&prefix=a"]:
        for shape in shapes:
            yield request("GET", f"{path}?{shape}{query}")
    for query in ["prefix=li", "prefix=li&limit=1", "marker=li&end_marker=lj", "marker=limits&prefix=li", "delimiter=s&prefix=li",
                  "reverse=true&prefix=li", "prefix=li&delimiter=mit"]:
        for shape in shapes:
            yield request("GET", f"{A}?{shape}{query}")
    yield request("HEAD", f"{path}?format=json")
    yield request("HEAD", f"{path}?format=xml&limit=1")
    yield request("HEAD", f"{path}?limit=10001")


GROUPS = {"constraints": constraints, "storage policies": storage_policies, "listing parameters": listing_parameters}
