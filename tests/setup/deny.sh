#!/usr/bin/env bash
# Licences, sources, bans and (where a copy of the database is there) advisories of every dependency, offline.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd) tools=$root/target/tools
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  deny=$tools/bin/cargo-deny
  if [ ! -x "$deny" ]; then
    echo "building cargo-deny (once, about 4 minutes) …" >&2
    CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
      cargo install -q --locked --no-default-features --root "$tools" cargo-deny
    rm -rf "$tools/build"
  fi
fi
cd "$root"
"$deny" --locked -L error check licenses bans sources
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-db*/*" >/dev/null; then
  "$deny" --offline -L error check --disable-fetch advisories
else
  echo "no copy of the advisory database is here: advisories not checked"
fi
