"""HTTP over a raw socket: bytes go out as they are written, answers come back unjudged."""

import re
import socket
import time


# What a client does once it has sent what it wanted to: waits for ever, says that no more comes, closes the connection at
# once, or reads answers as any other does.
STALLS, ENDS, LEAVES, GOES_ON = "stalls", "ends", "leaves", "goes on"
# A connection that is not closed within so long after an answer is kept.
KEPT_S = 1


class Answer:
    """What came back: status line, header fields in order, body; or nothing at all, and why."""

    def __init__(self, status="", headers=(), body=b"", end=""):
        self.status, self.headers, self.body, self.end = status, list(headers), body, end


def send(address, request, timeout_s=20):
    """Sends `request` (bytes) to `address` and returns its final answer."""
    with socket.create_connection(address, timeout=timeout_s) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.sendall(request)
        except OSError:
            pass  # it may have answered and closed before all of it was sent
        return receive(sock, request.split(b" ", 1)[0] == b"HEAD")


def converse(address, steps, ending, timeout_s=20):
    """Sends bytes, and waits for seconds, as `steps` say. The final answer, and what becomes of the connection."""
    with socket.create_connection(address, timeout=timeout_s) as sock:
        try:
            for step in steps:
                sock.sendall(step) if isinstance(step, bytes) else time.sleep(step)
            if ending == ENDS:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it may have answered and closed before
        if ending == LEAVES:
            return Answer(end="left")
        answer = receive(sock, steps[0].startswith(b"HEAD"))
        sock.settimeout(KEPT_S)
        answer.end = answer.end or what_follows(sock)
        return answer


def what_follows(sock):
    try:
        return "then more" if sock.recv(1) else "then closed"
    except TimeoutError:
        return "then kept"
    except OSError:
        return "then closed"


def receive(sock, is_head):
    """Reads answers up to the first that is not 1xx."""
    data = b""
    while True:
        data, found = read_until(sock, data, b"\r\n\r\n")
        if not found:
            return Answer(end="closed without an answer" if not data else "closed inside the head", body=data)
        head, data = data.split(b"\r\n\r\n", 1)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line]
        if not re.match(r"HTTP/1\.[01] 1\d\d", status):
            break
    fields = {name.lower(): value for name, value in headers}
    code = status.split(" ")[1] if " " in status else ""
    if is_head or code in ("204", "304"):
        return Answer(status, headers)
    if "chunked" in fields.get("transfer-encoding", ""):
        return Answer(status, headers, read_chunks(sock, data))
    if "content-length" in fields:
        length = int(fields["content-length"])
        while len(data) < length and (more := receive_some(sock)):
            data += more
        return Answer(status, headers, data[:length])
    while more := receive_some(sock):
        data += more
    return Answer(status, headers, data)


def receive_some(sock):
    try:
        return sock.recv(65536)
    except OSError:
        return b""


def read_until(sock, data, end):
    while end not in data:
        more = receive_some(sock)
        if not more:
            return data, False
        data += more
    return data, True


def read_chunks(sock, data):
    body = b""
    while True:
        data, found = read_until(sock, data, b"\r\n")
        if not found:
            return body
        size, data = data.split(b"\r\n", 1)
        length = int(size.split(b";")[0], 16)
        while len(data) < length + 2 and (more := receive_some(sock)):
            data += more
        if length == 0:
            return body
        body, data = body + data[:length], data[length + 2:]
