"""swift-recon, Python's and ours, asked the same of the same servers: the same lines."""

import re

import pytest


def said(process, is_volatile):
    """Its lines, in order but for those of one check, which come as hosts answer; without times, and without the figures
    that no two moments share."""
    assert process.returncode == 0, process
    text = process.stdout.decode()
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\d+ \w+ ago", "AGO", text)
    if is_volatile:
        text = re.sub(r"\d+(\.\d+)?", "N", text)
        text = re.sub(r"\*+", "*", text)
    return [sorted(check.splitlines()) for check in text.split("=" * 79)]


def same(tools, is_volatile, *arguments):
    """Daemons go on meanwhile: what Python's tool hears must be what ours hears before it, or after it. Where they told
    something new both before and after, both are asked again."""
    arguments = (*arguments, "--swiftdir", tools.data / "etc")
    ours = [said(tools.ours("swift-recon", *arguments), is_volatile)]
    for _ in range(5):
        python = said(tools.python("swift-recon", *arguments), is_volatile)
        ours.append(said(tools.ours("swift-recon", *arguments), is_volatile))
        if python in ours[-2:]:
            return
    assert python == ours[-1]


CHECKS = (
    *("--async", "--replication", "--auditor", "--updater", "--expirer", "--sharding", "-R", "-u", "-q", "--md5"),
    *("--validate-servers", "--driveaudit", "-T", "--jitter", "30"),
)


@pytest.mark.parametrize("server", ["account", "container", "object"])
def test_what_servers_say(tools, server):
    same(tools, False, server, *CHECKS)


@pytest.mark.parametrize("place", [("--region", "7"), ("--zone", "1")], ids=" ".join)
def test_only_some_servers(tools, place):
    same(tools, False, "container", *place, "--md5")


@pytest.mark.parametrize(
    "options", [("-l", "--sockstat", "-d", "--top=2", "--lowest=2"), ("-d", "--human-readable")], ids=" ".join
)
def test_what_changes_from_moment_to_moment(tools, options):
    same(tools, True, *options)


@pytest.mark.parametrize("arguments", [(), ("proxy",), ("-p", "none", "-l"), ("-x",), ("--top", "many", "-d")], ids=repr)
def test_mistakes(tools, arguments):
    if "-p" in arguments:
        arguments = (*arguments, "--swiftdir", tools.data / "etc")
    ours, python = tools.ours("swift-recon", *arguments), tools.python("swift-recon", *arguments)
    assert ours.returncode == python.returncode, (ours, python)
