#!/usr/bin/env bash
# Checks for what a build needs: a C compiler (for SQLite) and Rust. Installs the compiler; Rust it only asks for.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
command -v cc >/dev/null || "$root/tests/setup/apt.sh" gcc libc6-dev
want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
have=$(rustc -V 2>/dev/null | awk '{print $2}') || true
[ -n "$have" ] || { echo "Rust $want or newer is needed: see https://rustup.rs" >&2; exit 1; }
[ "$(printf '%s\n' "$want" "$have" | sort -V | head -1)" = "$want" ] ||
  { echo "Rust $want or newer is needed, this is $have: rustup update" >&2; exit 1; }
