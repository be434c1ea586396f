#!/bin/bash
# Times swift-ring-builder, ours and (where SWIFT_VENV has it) Python's: wall time, peak memory, balance, dispersion
# and moves of a first rebalance, then of one after a zone was added.
#   SWIFTLET   our binary, default target/release/swiftlet
#   CASES      "part_power:zones:nodes:devices ...", default the two that README quotes
set -euo pipefail
cd "$(dirname "$0")/../.."
swiftlet=$(realpath "${SWIFTLET:-${CARGO_TARGET_DIR:-target}/release/swiftlet}")
venv=${SWIFT_VENV:-target/venv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$swiftlet" "$work/bin/swift-ring-builder"

programs=("swiftlet=$work/bin/swift-ring-builder")
if [ -x "$venv/bin/swift-ring-builder" ]; then
    programs+=("swift=$(realpath "$venv")/bin/swift-ring-builder")
fi

python3 - "$work" "${CASES:-18:5:4:12 20:5:10:20}" "${programs[@]}" <<'PYTHON'
import os
import re
import subprocess
import sys
import time

work, cases, programs = sys.argv[1], sys.argv[2].split(), [p.split('=', 1) for p in sys.argv[3:]]


def run(program, *words):
    """Runs one command; its output, seconds and peak KiB."""
    with open(os.path.join(work, 'out'), 'w+') as out:
        start = time.monotonic()
        child = subprocess.Popen([program, *words], stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
        out.seek(0)
        text = out.read()
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit('%s %s failed: %s' % (program, ' '.join(words[:3]), text))
    return text, seconds, usage.ru_maxrss


def devices(zone, nodes, disks):
    for node in range(1, nodes + 1):
        for disk in range(disks):
            yield 'r1z%d-10.0.%d.%d:6200/sd%d' % (zone, zone, node, disk)
            yield '100'


RESULT = re.compile(r'Reassigned (\d+) .* Balance is now ([\d.]+)\.  Dispersion is now ([\d.]+)')
print('%-24s %-10s %8s %10s %9s %8s %11s' % ('case', 'program', 'seconds', 'moved', 'balance', 'disp', 'peak MiB'))
for case in cases:
    power, zones, nodes, disks = case.split(':')
    for name, program in programs:
        builder = os.path.join(work, '%s-%s.builder' % (name, power))

        def rebalance(label):
            text, seconds, rss = run(program, builder, 'rebalance', '--seed', '1', '--format-version', '1')
            moved, balance, dispersion = RESULT.search(text).groups()
            print('%-24s %-10s %8.2f %10s %9s %8s %11.0f' % (
                '2^%s x %d, %s' % (power, int(zones) * int(nodes) * int(disks), label), name, seconds, moved,
                balance, dispersion, rss / 1024), flush=True)

        run(program, builder, 'create', power, '3', '1')
        for zone in range(1, int(zones) + 1):
            run(program, builder, 'add', *devices(zone, int(nodes), int(disks)))
        rebalance('first')
        run(program, builder, 'pretend_min_part_hours_passed')
        run(program, builder, 'add', *devices(int(zones) + 1, int(nodes), int(disks)))
        rebalance('a zone more')
PYTHON
