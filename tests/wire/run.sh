#!/usr/bin/env bash
# The wire check: Python Swift (tests/peer) and `swiftlet dev`, side by side on the loopback of a network namespace of
# their own, are sent the same requests. Each has a second proxy that is set otherwise. Python's files lie on XFS, in an image:
# ext4 as most machines have it holds less metadata than Swift allows. Root is needed for both. Options go to run.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/../.." && pwd)
export SAIO=${SAIO:-$root/target/peer} PROFILE=wire PROXY_WORKERS=1
swiftlet=${SWIFTLET:-$root/target/release/swiftlet}
if [ -z "${WIRE_INSIDE:-}" ]; then
  "$root/tests/setup/apt.sh" xfsprogs
  "$root/tests/peer/setup.sh"
  exec env WIRE_INSIDE=1 unshare --net --mount "$0" "$@"
fi
ip link set lo up
truncate -s 2G "$SAIO/disk.img" && mkfs.xfs -q -f "$SAIO/disk.img"
mkdir -p "$SAIO/srv" && mount -o loop "$SAIO/disk.img" "$SAIO/srv"
data=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null; "$SAIO/down.sh" --wipe >/dev/null; umount "$SAIO/srv"; rm -rf "$data" "$data.log" "$SAIO/disk.img"' EXIT

# second_proxy CONF PORT: the configuration of a proxy beside that of CONF: other rules of CORS, little patience, low limits
second_proxy() {
  local rules='cors_allow_origin = http://everywhere.example\nstrict_cors_mode = false\ncors_expose_headers = X-Extra, x-other'
  local few='max_containers_per_extraction = 2\nmax_failed_extractions = 3\nmax_deletes_per_request = 5\nmax_failed_deletes = 3'
  sed -e "s/^bind_port *=.*/bind_port = $2/" -e "s|^\[app:proxy-server\].*|&\n$rules|" -e "s|^\[filter:bulk\].*|&\n$few|" \
    -e 's|^\[DEFAULT\].*|&\nclient_timeout = 2|' "$1" >"${1%.conf}-2.conf"
  echo "${1%.conf}-2.conf"
}

"$SAIO/up.sh"
"$SAIO/v/bin/python" "$SAIO/bin/sw" swift-proxy-server "$(second_proxy "$SAIO/etc/proxy-server.conf" 8081)" >"$SAIO/log/second.out" 2>&1 &
started+=($!)
"$here/manifest.py" >"$data/cluster.yaml"
"$swiftlet" dev --manifest "$data/cluster.yaml" --data "$data" --listen 127.0.0.1:9090 >"$data.log" 2>&1 &
started+=($!)
for _ in $(seq 300); do grep -q '^ready' "$data.log" && break; sleep .2; done
grep -q '^ready' "$data.log" || { cat "$data.log"; exit 1; }
"$swiftlet" proxy-server "$(second_proxy "$data/etc/proxy-server.conf" 9091)" >>"$data.log" 2>&1 &
started+=($!)
for port in 8081 9091; do
  for _ in $(seq 150); do curl -fs -o /dev/null "http://127.0.0.1:$port/healthcheck" && break; sleep .2; done
done
python3 "$here/run.py" "$@" && code=0 || code=$?
[ -z "${WIRE_HOLD:-}" ] || { echo "held: nsenter --net=/proc/$$/ns/net"; sleep "$WIRE_HOLD"; }
exit "$code"
