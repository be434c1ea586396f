#!/usr/bin/env bash
# Swift's own probe suite with our executables first on PATH; servers and daemons are started by Python's swift-init from
# the configuration of a "Swift all in one". Test by test compared with what Swift itself scores.
# usage (as root): run.sh [test_account_failures.py …]   without files: all but those named in excepted.txt
# Env: PROBE_ONLY_OURS=1  a program that we lack is not started at all; without it, Python's is
#      PROBE_BIN=DIR      other programs than ours
# Everything runs in mount, network and process namespaces of its own; logs stay in target/probe/log.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$here/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "the probe suite mounts a file system and makes namespaces: run it as root" >&2; exit 1; }
"$root/tests/setup/apt.sh" memcached rsync rsyslog xfsprogs procps iproute2
"$root/tests/setup/swift.sh"
export INST=${PROBE_HOME:-$root/target/probe} SWIFT_VENV=${SWIFT_VENV:-$root/target/venv}
export SWIFT_SDIST=${SWIFT_SDIST:-$root/target/swift-2.38.3} ROOT=$root
export SWIFT_TEST_VENV=${SWIFT_TEST_VENV:-$SWIFT_VENV}
mkdir -p /etc/swift /var/run/swift "$INST"/{etc,run/swift,log,srv,cache/1,cache/2,cache/3,cache/4}
if [ -z "${PROBE_BIN:-}" ]; then
  export PROBE_BIN=$INST/bin
  swiftlet=${SWIFTLET:-$(python3 -c "import sys; sys.path.insert(0, '$root'); from tests.support.dev import binary; print(binary())")}
  mkdir -p "$PROBE_BIN"
  "$swiftlet" install-links "$PROBE_BIN"
fi
[ -e "$INST/disk.img" ] || { truncate -s 20G "$INST/disk.img"; mkfs.xfs -q -f -i size=512 "$INST/disk.img"; }
if [ $# = 0 ]; then
  mapfile -t files < <(cd "$SWIFT_SDIST/test/probe" && ls test_*.py | grep -vxFf "$here/excepted.txt")
  set -- "${files[@]}"
fi
exec unshare -m -n -p --fork --mount-proc --kill-child "$here/inside.sh" "$@"
