#!/usr/bin/env bash
# Fuzzes targets for so many seconds each, guided by coverage. Works on stable Rust: the coverage is LLVM's, by flags.
# usage: run.sh [all|"TARGET ..."] [SECONDS]     what was found interesting is kept in target/fuzz/corpus
# FUZZ_JOBS targets run side by side (one). What came of each becomes its line in the table of FUZZ_RESULTS, where
# that names a file.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$here/../.." && pwd)
which=${1:-all} seconds=${2:-60} jobs=${FUZZ_JOBS:-1}
out=${CARGO_TARGET_DIR:-$root/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$out RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
cargo build -q --release --target "$host" --manifest-path "$here/Cargo.toml"
targets=$which
[ "$which" = all ] && targets=$(sed -n 's/^path = "src\/\([a-z_]*\)\.rs"/\1/p' "$here/Cargo.toml")

# The table's line of a target, put in the place of the one before; runs side by side take turns.
record() {
    local row='%-20s %8s %12s %13s %9s  %s\n'
    [ -n "${FUZZ_RESULTS:-}" ] || return 0
    (
        flock 9
        { grep -E ' (clean|FAILED)$' "$FUZZ_RESULTS" 2>/dev/null | grep -v "^$1 " || true
          printf "$row" "$@"; } | sort >"$out/results"
        { echo "tests/fuzz/run.sh on $(nproc) cores"
          printf "$row" target seconds executions side-by-side niceness outcome; cat "$out/results"; } >"$FUZZ_RESULTS"
    ) 9>"$out/results.lock"
}

fuzz() {
    local target=$1 outcome=clean executions
    mkdir -p "$out/corpus/$target" "$out/found/$target"
    "$out/$host/release/$target" "$out/corpus/$target" $([ -d "$here/seeds/$target" ] && echo "$here/seeds/$target") \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$out/found/$target/" 2>"$out/$target.log" || { outcome=FAILED; tail -30 "$out/$target.log"; }
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
    echo "== $target, $seconds s: ${executions:-?} executions, $outcome"
    record "$target" "$seconds" "${executions:-?}" "$jobs" "$(nice)" "$outcome"
    [ "$outcome" = clean ]
}

export here out host seconds jobs
export -f fuzz record
xargs -rn 1 -P "$jobs" bash -c 'fuzz "$1"' _ <<<"$targets"
