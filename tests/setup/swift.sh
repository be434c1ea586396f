#!/usr/bin/env bash
# The referee: Python Swift 2.38.3 in a virtualenv, the clients its suites use, and its source with the suites.
# usage: swift.sh   -> $SWIFT_VENV (target/venv), $SWIFT_SDIST (target/swift-2.38.3); what is there is kept
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=${SWIFT_VENV:-$root/target/venv} sdist=${SWIFT_SDIST:-$root/target/swift-2.38.3}
python=$(command -v python3.11 || command -v python3)
if [ ! -x "$venv/bin/pytest" ]; then
  "$root/tests/setup/apt.sh" python3-venv memcached rsync
  echo "setting up Python Swift 2.38.3 (about a minute) …" >&2
  "$python" -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$root/tests/setup/requirements.txt"
fi
if [ ! -d "$sdist" ]; then
  "$venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary :all: swift==2.38.3 -d "$(dirname "$sdist")/sdist"
  mkdir -p "$sdist"
  tar xzf "$(dirname "$sdist")"/sdist/swift-2.38.3.tar.gz -C "$sdist" --strip-components=1
fi
