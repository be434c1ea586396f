#!/usr/bin/env bash
# power.sh off|on NODE: a node dies at once (kubelet, runtime and every container by SIGKILL), or comes back
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
node=$2 i=${2#n} socket=$RUN/$2/containerd.sock
case $1 in
off)
  kill -9 "$(cat "$RUN/kubelet$i.pid")" "$(cat "$RUN/kproxy$i.pid")"
  for task in $(ctr -a "$socket" -n k8s.io task ls -q); do ctr -a "$socket" -n k8s.io task kill -s 9 "$task"; done
  kill -9 "$(cat "$RUN/containerd$i.pid")" ;;
on)
  cd "$RUN/pki"
  start_node "$i" ;;
*) echo "usage: power.sh off|on NODE" >&2; exit 1 ;;
esac
