"""How the cases write their requests."""

HOST = "wire.example:8080"
A = "/v1/AUTH_test"


def encoded(text):
    """Text as it goes over the wire; bytes stay as they are."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def request(method, path, *headers, body=None, version="HTTP/1.1", token="T", host=HOST):
    """A request with Host, token, and Content-Length where there is a body. `headers` are lines."""
    lines = [f"{method} {path} {version}"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"X-Auth-Token: {token}"] if token else []
    lines += list(headers)
    body = None if body is None else encoded(body)
    if body is not None and not any(h.lower().startswith(("content-length", "transfer-enc")) for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return encoded("\r\n".join([*lines, "", ""])) + (body or b"")


def put(path, *headers, body=""):
    return request("PUT", path, *headers, body=body)


def post(path, *headers):
    return request("POST", path, *headers, "Content-Length: 0")
