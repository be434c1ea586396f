#!/usr/bin/env bash
# Licences, sources, bans and (where a copy of the database is there) advisories of every dependency, offline.
#
# Building cargo-deny takes longer than the rest of `make lint`. Where it is not there, what it said of this very
# Cargo.lock and deny.toml is enough; where it said nothing of them yet, it is built.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd) tools=$root/target/tools
record=$root/tests/results/deny.txt
cd "$root"
locked=$(cat Cargo.lock deny.toml | sha256sum | cut -d' ' -f1)
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  deny=$tools/bin/cargo-deny
  if [ ! -x "$deny" ]; then
    if grep -qs "^$locked " "$record"; then
      echo "dependencies are those of $(basename "$record"): $(cut -d' ' -f2- "$record")"
      exit
    fi
    echo "building cargo-deny (once, about 4 minutes) …" >&2
    CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
      cargo install -q --locked --no-default-features --root "$tools" cargo-deny
    rm -rf "$tools/build"
  fi
fi
"$deny" --locked -L error check licenses bans sources
grep -qs "^$locked " "$record" || echo "$locked licences, bans and sources ok" >"$record"
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-db*/*" >/dev/null; then
  "$deny" --offline -L error check --disable-fetch advisories
else
  echo "no copy of the advisory database is here: advisories not checked"
fi
