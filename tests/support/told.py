"""Who answered, and what it had been told by then: from the logs of the nodes' object servers.

A write is acknowledged when two of three replicas have it, and a read asks one: a node that was away, or too slow, answers
as it was before until a replicator comes by. That is Swift's way. A node that had taken the write and answers as before
would be at fault, and so would a proxy that heard of the write from one node and believes another.
"""

import collections
import re

# A line of an object server's log: method (and path), status, (size, referer,) transaction.
REQUEST = re.compile(r' object-server: \S+ - - \[[^]]*\] "(\w+) [^"]*" (\d+) \S+ "[^"]*" "([^"]*)"')
# Where it stands in the log; whether it changed what the node has: a DELETE of what is not there leaves its tombstone.
Request = collections.namedtuple("Request", "place status changed")


def requests(saio, n):
    """What node n's object server did, by transaction."""
    done = {}
    with open(saio.home / f"log/storage{n}.log", errors="replace") as log:
        for place, line in enumerate(log):
            found = REQUEST.search(line)
            if found:
                method, status, transaction = found[1], int(found[2]), found[3]
                changed = method != "GET" and (status // 100 == 2 or (method, status) == ("DELETE", 404))
                done[transaction] = Request(place, status, changed)
    return done


def sort_out(saio, findings, nodes):
    """Splits what was read into (behind by the way of Swift, at fault), as text with who answered."""
    logs = {n: requests(saio, n) for n in nodes}
    behind, at_fault = [], []
    for finding in findings:
        asked = {n: log[finding.transaction] for n, log in logs.items() if finding.transaction in log}
        knew = [n for n, request in asked.items() if knows(logs[n], finding.missed, request.place)]
        answers = ", ".join(f"node {n} {request.status}" for n, request in asked.items())
        text = f"{finding.text}; {answers}; told before: {knew or 'none of them'}"
        (behind if asked and finding.missed and not knew else at_fault).append(text)
    return behind, at_fault


def knows(log, transactions, before):
    """Whether a node took one of those writes before that place of its log."""
    took = (log[transaction] for transaction in transactions or () if transaction in log)
    return any(request.changed and request.place < before for request in took)
