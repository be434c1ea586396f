#!/usr/bin/env bash
# Lays out a four-node Python Swift on loopback in $SAIO (target/peer): the scripts beside this one, our virtualenv.
# usage: setup.sh   -> then PROFILE=bench $SAIO/up.sh, $SAIO/down.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/../.." && pwd)
SAIO=${SAIO:-$root/target/peer}
"$root/tests/setup/apt.sh" memcached rsync rsyslog
"$root/tests/setup/swift.sh"
mkdir -p "$SAIO/bin"
cp "$here"/{gen_conf.py,up.sh,down.sh,remakerings.sh} "$root/tests/support/users.py" "$SAIO/"
cp "$here/bin/sw" "$SAIO/bin/"
ln -sfn "${SWIFT_VENV:-$root/target/venv}" "$SAIO/v"
