#!/usr/bin/env bash
# Second half of run.sh, in its namespaces: disks, configuration, the services beside Swift, the tests one file after the
# other, and what differs from Swift itself.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mount --make-rprivate /
ip link set lo up
mount -o loop,noatime "$INST/disk.img" "$INST/srv"
mount --bind "$INST/etc" /etc/swift
rm -rf "$INST"/run/* "$INST/outcomes"
mkdir -p "$INST/run/swift" "$INST/outcomes"
mount --bind "$INST/run/swift" /var/run/swift
rm -rf /etc/swift/*
SAIO=$INST ETC=/etc/swift PROFILE=probe "$SWIFT_VENV/bin/python" "$ROOT/tests/peer/gen_conf.py"
SAIO=$INST ETC=/etc/swift RING_BUILDER=$SWIFT_VENV/bin/swift-ring-builder "$ROOT/tests/peer/remakerings.sh" >"$INST/log/rings.out"
python=$SWIFT_VENV/bin:
[ -n "${PROBE_ONLY_OURS:-}" ] && python=
export PROBE_RUN=$$.$RANDOM$RANDOM
export PATH=$PROBE_BIN:$here/bin:$python/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ulimit -n 32768 2>/dev/null || true
setsid rsyslogd -n -f /etc/swift/rsyslog.conf -i "$INST/run/rsyslogd.pid" </dev/null >"$INST/log/rsyslogd.out" 2>&1 &
setsid memcached -l 127.0.0.1 -p 11211 -u root -m 256 -c 4096 </dev/null >"$INST/log/memcached.out" 2>&1 &
setsid rsync --daemon --no-detach --config=/etc/swift/rsyncd.conf </dev/null >"$INST/log/rsyncd.out" 2>&1 &
set +e
for _ in $(seq 50); do
  [ -S "$INST/run/log.sock" ] && rsync 127.0.0.1:: >/dev/null 2>&1 && (exec 3<>/dev/tcp/127.0.0.1/11211) 2>/dev/null && break
  sleep .1
done
resetswift
# otherwise every Python process imports a resolver for 0.2 s, and only addresses are used here
export EVENTLET_NO_GREENDNS=yes SWIFT_TEST_CONFIG_FILE=/etc/swift/test.conf
export CONFORMANCE_TEST_LIMIT_S=600 PYTHONPATH=$ROOT/tests/conformance
cd "$SWIFT_SDIST" || exit 1
for file in "$@"; do
  name=${file%.py}
  CONFORMANCE_RECORD=$INST/outcomes/$name.json timeout -k 20 1200 "$SWIFT_TEST_VENV/bin/python" -m pytest -p no:cacheprovider -p no:requests_mock -p record -q --tb=short \
    -o "python_files=test*.py" "test/probe/$file" >"$INST/log/$name.out" 2>&1
  tail -1 "$INST/log/$name.out" | sed "s/^/$name: /"
  resetswift >/dev/null 2>&1
done
python3 "$here/compare.py" "$INST/outcomes" "$@"
