"""What of two answers must be the same: everything but what no two runs of one server have in common."""

import json
import re

# Who answered, when, and under which transaction.
# The ETag of a manifest is that of a text in which the times of its segments stand.
INCIDENTAL = {"date", "x-trans-id", "x-openstack-request-id", "x-auth-token-expires", "server", "x-manifest-etag"}
VARYING = [
    (re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10}"), "TX"),
    (re.compile(r"AUTH_tk[0-9a-zA-Z_.=-]{20,}"), "TOKEN"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\b"), "ISO-TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b[1-9]\d{9}\.\d{5}\b"), "TIMESTAMP"),
    (re.compile(r"\b[78]\d{9}\.\d{5}\b"), "INVERSE"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20[2-3]\d \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"boundary=[0-9a-f-]+"), "boundary=B"),
    (re.compile(r"--[0-9a-f]{32}"), "--B"),
]


# Lists without an order: Python's come from sets, which begin elsewhere in every process.
SETS = {"allow", "access-control-allow-methods", "access-control-allow-headers", "access-control-expose-headers"}


def field(name, value):
    """A header field's value, comparable."""
    if name.lower() in SETS:
        return ", ".join(sorted(item.strip() for item in value.split(",")))
    return text(value)


def text(value):
    for pattern, stands_for in VARYING:
        value = pattern.sub(stands_for, value)
    return value


def answer(raw):
    """Status, header fields (sorted) and body of an answer, comparable."""
    fields = sorted((name.title(), field(name, value)) for name, value in raw.headers if name.lower() not in INCIDENTAL)
    body = text(raw.body.decode("utf-8", "backslashreplace"))
    return {"status": raw.status, "headers": fields, "body": body, "end": raw.end}


def differences(ours, theirs):
    """Lines that tell where two comparable answers differ."""
    lines = []
    if ours["status"] != theirs["status"]:
        lines.append(f"status: {ours['status'] or ours['end']!r} here, {theirs['status'] or theirs['end']!r} there")
    elif ours["end"] != theirs["end"]:
        lines.append(f"end: {ours['end']!r} here, {theirs['end']!r} there")
    mine, other = dict(ours["headers"]), dict(theirs["headers"])
    for name in sorted({*mine, *other}):
        if mine.get(name) != other.get(name):
            lines.append(f"{name}: {mine.get(name)!r} here, {other.get(name)!r} there")
    if ours["body"] != theirs["body"]:
        lines.append(f"body: {json.dumps(ours['body'][:300])} here, {json.dumps(theirs['body'][:300])} there")
    for name, after in ours.get("afterwards", {}).items():
        lines += [f"afterwards, {name}: {line}" for line in differences(after, theirs["afterwards"][name])]
    return lines
