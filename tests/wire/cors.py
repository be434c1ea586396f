"""Cross-origin requests: preflights and actual requests, for what a container says and what the proxies do. The groups
named in `SECOND` go to a second proxy that is not strict and lets one origin in everywhere."""

from message import A, post, put, request

ALLOWED, OTHER, EVERYWHERE = "http://a.example", "http://b.example", "http://everywhere.example"
CONTAINERS = {
    "plain": [],
    "any": ["X-Container-Meta-Access-Control-Allow-Origin: *"],
    "one": [f"X-Container-Meta-Access-Control-Allow-Origin: {ALLOWED}", "X-Container-Meta-Access-Control-Max-Age: 60",
            "X-Container-Meta-Access-Control-Expose-Headers: X-Mine  X-Yours"],
    "two": [f"X-Container-Meta-Access-Control-Allow-Origin: {ALLOWED}  {OTHER}", "X-Container-Meta-Access-Control-Max-Age: x"],
}
PREFLIGHTS = [
    [],
    ["Access-Control-Request-Method: GET"],
    ["Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: X-Auth-Token, x-a,,x-a"],
    ["Access-Control-Request-Method: get"],
    ["Access-Control-Request-Method: TRACE"],
    ["Access-Control-Request-Headers: x-a"],
]


def cross_origin(prefix):
    def requests():
        for name, settings in CONTAINERS.items():
            path = f"{A}/{prefix}-{name}"
            yield put(path, *settings)
            yield post(path, "X-Container-Read: .r:*", "X-Container-Meta-Color: red", *settings)
            yield put(f"{path}/o", "Content-Type: text/plain", "X-Object-Meta-Size: 1", body="0123456789")
            for origin in (ALLOWED, OTHER, EVERYWHERE, "null", ""):
                for lines in PREFLIGHTS:
                    yield request("OPTIONS", f"{path}/o", f"Origin: {origin}", *lines, token=None)
                for method, target in [("GET", f"{path}/o"), ("HEAD", path), ("GET", f"{path}/gone")]:
                    yield request(method, target, f"Origin: {origin}", token=None)
                yield request("GET", f"{path}/o", f"Origin: {origin}", "Range: bytes=99-")
                yield put(f"{path}/o", f"Origin: {origin}", "Content-Type: text/plain", body="0123456789")
        for path in [A, f"{A}/{prefix}-gone", f"{A}/{prefix}-gone/o", "/info"]:
            yield request("OPTIONS", path, f"Origin: {ALLOWED}", "Access-Control-Request-Method: GET", token=None)
            yield request("OPTIONS", path, token=None)
            yield request("HEAD", path, f"Origin: {ALLOWED}")
            yield request("HEAD", path, f"Origin: {ALLOWED}", token=None)

    return requests


SECOND = "cors, second proxy"
GROUPS = {"cors": cross_origin("cors"), SECOND: cross_origin("cors2")}
