#!/usr/bin/env bash
# load.sh IMAGE.tar...: loads docker archives on every node
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
for socket in "$RUN"/n*/containerd.sock; do
  for archive in "$@"; do ctr -a "$socket" -n k8s.io images import "$archive"; done
done
