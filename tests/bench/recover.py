#!/usr/bin/env python3
"""What `swiftlet recover` takes of memory and time on a device full of small objects (root: namespaces of its own).

usage: recover.py [--objects 200000] [--containers 100]        ($SAIO_TMP: where; 15 GB for a million objects)

One device with objects of a few bytes and, for the half of the containers, databases that list them: the others' are
known by their objects alone. Both recoveries are run dry, then for good, and the latter are killed (SIGKILL) now and then
and begun again: what came before must not be done again, and the outcome must be everything. Memory is the kernel's
word on the largest resident size of the process.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.bench import memory  # noqa: E402
from tests.support import saio  # noqa: E402
from tests.support.dev import binary  # noqa: E402

LIMIT_MIB = 192
KILLS = 3


class Run:
    """One run of `swiftlet recover`, killed after `kill_after_s` if that is given."""

    def __init__(self, *args, kill_after_s=None):
        argv = [binary(), "recover", *map(str, args), "--output", "json"]
        begun = time.monotonic()
        with open(os.environ[saio.HOME] + "/progress", "wb") as progress:
            process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=progress)
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            os.kill(process.pid, signal.SIGKILL)
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds, self.cpu_s = time.monotonic() - begun, usage.ru_utime + usage.ru_stime
        self.peak_mib, self.was_killed = usage.ru_maxrss / 1024, process.returncode == -signal.SIGKILL
        lines = pathlib.Path(progress.name).read_text().splitlines()
        assert self.was_killed or process.returncode == 0, "\n".join(lines)
        # problems, which are no JSON, come last
        self.progress = [json.loads(line) for line in lines if line.startswith("{")]
        self.report = None if self.was_killed else json.loads(said)

    def tasks(self):
        """How far each of its tasks came: {task: (done, total)}."""
        return {line["task"]: (line["done"], line["total"]) for line in self.progress}

    def __str__(self):
        return f"{self.seconds:.1f} s, {self.cpu_s:.1f} s of CPU, at most {self.peak_mib:.1f} MiB resident"


def fill(device, objects, containers):
    """A device as memory.py makes it, without the databases of every other container."""
    begun = time.monotonic()
    device.mkdir(parents=True)
    memory.make_everything(device, objects, containers)
    databases = sorted(device.glob("containers/*/*/*"))
    for folder in databases[::2]:
        shutil.rmtree(folder)
    print(f"{objects} objects made in {time.monotonic() - begun:.0f} s; of {containers} containers {len(databases[1::2])} "
          "have databases", flush=True)


def killed_and_resumed(name, common, whole_s):
    """Runs a recovery that is killed a few times; the last run."""
    for n in range(1, KILLS + 1):
        run = Run(*common, kill_after_s=whole_s * n / (KILLS + 1))
        print(f"{name}, killed: {run}; {run.tasks()}", flush=True)
    run = Run(*common)
    print(f"{name}, to its end: {run}", flush=True)
    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=200_000)
    parser.add_argument("--containers", type=int, default=100)
    args = parser.parse_args()
    saio.in_own_namespaces()
    home = pathlib.Path(os.environ[saio.HOME])
    (saio.ETC / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = changeme\n")
    device = home / "srv/d1"
    fill(device, args.objects, args.containers)
    runs = []
    for name, target, told in (("objects", "--to", lambda run: run.report["objects"]["recovered"]),
                               ("containers", "--out", lambda run: run.report["containers"] + run.report["containers_by_objects"])):
        common = (name, "--devices", device, target, home / name)
        if name == "containers":
            common += ("--swift-conf", saio.ETC / "swift.conf")
        dry = Run(*common, "--dry-run")
        print(f"{name}, dry: {dry}; {dry.report}", flush=True)
        assert not (home / name).exists() and len(dry.progress) >= len(dry.tasks()) > 0
        runs += [dry, killed_and_resumed(name, common, dry.seconds)]
        expected = args.objects if name == "objects" else args.containers
        assert told(dry) == expected, dry.report
        check(name, home / name, runs[-1], args)
    peak = max(run.peak_mib for run in runs)
    print(f"at most {peak:.1f} MiB, {LIMIT_MIB} are allowed")
    return 0 if peak <= LIMIT_MIB else 1


def check(name, out, run, args):
    """Everything is there after the kills."""
    if name == "objects":
        files = sum(len(names) for folder, _, names in os.walk(out) if folder != str(out))
        assert (run.report["objects"]["recovered"], files) == (args.objects, 2 * args.objects), (run.report, files)
        return
    from swift.container.backend import ContainerBroker

    counts = [ContainerBroker(str(path)).get_info()["object_count"] for path in out.glob("containers/*/*/*/*.db")]
    assert len(counts) == args.containers and sum(counts) == args.objects, (len(counts), sum(counts))


if __name__ == "__main__":
    sys.exit(main())
