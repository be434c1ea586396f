#!/usr/bin/env python3
"""The wire check: the requests of cases.py, over raw sockets, to Python Swift and to `swiftlet dev` in one run. Status,
header fields and body must be the same, but for what known.json lists with its reason.

usage: run.py [--theirs HOST:PORT,HOST:PORT] [--ours …] [--only TEXT] [--group TEXT] [--out FILE]
"""

import argparse
import collections
import concurrent.futures
import itertools
import json
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import cases  # noqa: E402
import cors  # noqa: E402
import message  # noqa: E402
import normal  # noqa: E402
import raw  # noqa: E402
import slow  # noqa: E402
import tars  # noqa: E402
import tricks  # noqa: E402

SHOWN = 200
SLOW_S = 2
# What goes to the second proxy.
SECOND = {cors.SECOND, tars.SECOND, *slow.GROUPS}
# So many conversations of slow clients at once.
AT_ONCE = 12
# What a client that left began comes to its end meanwhile.
SETTLE_S = 1


def addresses(text):
    """`HOST:PORT,HOST:PORT`: the proxy and the second one."""
    return [(host, int(port)) for host, port in (each.rsplit(":", 1) for each in text.split(","))]


def token(at, user, key):
    """A token of `user`."""
    answer = raw.send(at, message.request("GET", "/auth/v1.0", f"X-Auth-User: {user}", f"X-Auth-Key: {key}", token=None))
    told = {name.lower(): value for name, value in answer.headers}
    if "x-auth-token" not in told:
        raise SystemExit(f"{at}: no token for {user}: {answer.status}")
    return told["x-auth-token"].encode()


class Side:
    """One of the two clusters."""

    def __init__(self, proxies):
        self.proxies = proxies
        self.tokens = {b"T": token(proxies[0], "test:tester", "testing"), b"U": token(proxies[0], tricks.OTHER, "testing3")}

    def ask(self, group, asked):
        """The answer to a request or an exchange, comparable; those of some groups go to the second proxy."""
        at = self.proxies[group in SECOND]
        if isinstance(asked, bytes):
            return normal.answer(raw.send(at, self.own(asked)))
        for request in asked.before:
            raw.send(at, self.own(request))
        steps = [self.own(step) if isinstance(step, bytes) else step for step in asked.steps]
        answer = normal.answer(raw.converse(at, steps, asked.ending))
        if asked.ending == raw.LEAVES:
            time.sleep(SETTLE_S)
        after = {name_of(request): normal.answer(raw.send(at, self.own(request))) for request in asked.afterwards}
        return {**answer, "afterwards": after}

    def own(self, request):
        """`request` with the tokens of this cluster."""
        for letter, own in self.tokens.items():
            for end in (b"\r", b"\n"):
                request = request.replace(b"X-Auth-Token: " + letter + end, b"X-Auth-Token: " + own + end)
        return request


def name_of(asked):
    """What a request is called in reports: its head without what all have, and how its body begins; cut. Exchanges tell
    what they are about, and how they end, before it."""
    if isinstance(asked, slow.Exchange):
        return f"{asked.title}, {asked.ending} | {name_of(asked.steps[0])}"
    request = asked
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.decode("utf-8", "backslashreplace").split("\r\n")
             if not line.startswith(("Host: wire", "X-Auth-Token: T"))]
    lines += [repr(body)[1:]] if body else []
    return " | ".join(line if len(line) <= SHOWN else line[:SHOWN] + "…" for line in lines[:7])


def reason(known, name, line, here, there):
    """Why a difference is as it should be, where known.json says so: all of `request` is in the request's name, `here` in our
    status and `there` in the peer's, or in how they ended, and the regular expression `difference` in the line."""
    def has(answer, text):
        return text in answer["status"] or text in answer["end"]

    for entry in known:
        fits = all(text in name for text in entry["request"]) and has(here, entry.get("here", "")) and has(there, entry.get("there", ""))
        if fits and re.search(entry.get("difference", ""), line):
            entry["met"] = entry.get("met", 0) + 1
            return entry["reason"]
    return None


def answers(theirs, ours, only, groups):
    """Every case whose name has `only`, with both answers: requests one after the other, since one may count on those before
    it, exchanges beside others."""
    pool = concurrent.futures.ThreadPoolExecutor(2 * AT_ONCE)
    for is_request, run in itertools.groupby(cases.cases(groups), lambda case: isinstance(case[1], bytes)):
        named = ((f"[{group}] {name_of(asked)}", group, asked) for group, asked in run)
        wanted = (case for case in named if is_request or only in case[0])
        begun = ((name, pool.submit(ours.ask, group, asked), pool.submit(theirs.ask, group, asked)) for name, group, asked in wanted)
        for name, here, there in begun if is_request else list(begun):
            since = time.monotonic()
            case = name, here.result(), there.result()
            if is_request and (took_s := time.monotonic() - since) > SLOW_S:
                print(f"took {took_s:.1f} s: {name}", file=sys.stderr)
            if only in name:
                yield case


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--theirs", default="127.0.0.1:8080,127.0.0.1:8081", type=addresses)
    parser.add_argument("--ours", default="127.0.0.1:9090,127.0.0.1:9091", type=addresses)
    parser.add_argument("--only", default="", help="compare but the requests whose name has this")
    parser.add_argument("--group", default="", help="ask but the groups whose name has this, and what they count on")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    known = json.loads((HERE / "known.json").read_text())
    lines, bad, excused, total, same = [], 0, collections.Counter(), 0, 0
    for name, here, there in answers(Side(args.theirs), Side(args.ours), args.only, args.group):
        total += 1
        left, found = [], normal.differences(here, there)
        same += not found
        for line in found:
            why = reason(known, name, line, here, there)
            if why:
                excused[why] += 1
            else:
                left.append(line)
        if left:
            bad += 1
            lines += [name, *("    " + line for line in left)]
    lines.append(f"wire: {total} requests: {same} answered the same, {total - same - bad} otherwise for a reason in known.json, "
                 f"{bad} otherwise without one")
    lines += [f"  {count:4} differences: {why}" for why, count in excused.most_common()]
    lines += [f"  never met: {entry['reason']}" for entry in known if "met" not in entry and not args.only + args.group]
    report = "\n".join(lines) + "\n"
    print(report, end="")
    if args.out:
        args.out.write_text(report)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
