#!/usr/bin/env bash
# Prometheus and promtool below target/prometheus: Debian's package unpacked, not installed, so that no service starts.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
into=target/prometheus
[ -x $into/usr/bin/promtool ] && [ -x $into/usr/bin/prometheus ] && exit 0
echo "fetching prometheus …" >&2
mkdir -p $into
as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
(cd $into && apt-get download -qq prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb)
