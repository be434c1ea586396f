#!/usr/bin/env bash
# Makes what a test cluster needs, once: Debian's container runtime, Kubernetes, CoreDNS and helm from their Go
# modules, and three small images. Cold on two cores about 10 minutes; what is there already is kept.
# usage: build.sh   -> $K8S_HOME/bin, $K8S_HOME/img
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
KUBERNETES=${K8S_VERSION:-1.34.3}       # the newest line that still runs where only cgroup v1 is mounted
MODULES=$K8S_HOME/mod
mkdir -p "$BIN" "$K8S_HOME/img" "$MODULES"/{kubernetes,coredns,helm}

debian_packages() {
  local missing=()
  for program in containerd runc etcd buildah mkfs.xfs socat; do command -v $program >/dev/null || missing+=($program); done
  [ -x /usr/lib/cni/bridge ] || missing+=(cni)
  [ -x /bin/busybox ] || missing+=(busybox)
  [ ${#missing[@]} -gt 0 ] || return 0
  log "installing Debian packages (missing: ${missing[*]})"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq containerd runc etcd-server etcd-client containernetworking-plugins \
    buildah iptables conntrack socat xfsprogs busybox-static iproute2 ethtool ipset >/dev/null
}

kubernetes_programs() {
  local programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl) todo=()
  for program in "${programs[@]}"; do [ -x "$BIN/$program" ] || todo+=("$program"); done
  [ ${#todo[@]} -gt 0 ] || return 0
  log "building Kubernetes $KUBERNETES: ${todo[*]} (about 7 minutes on two cores)"
  cd "$MODULES/kubernetes"
  local module staging
  module=$(go mod download -json "k8s.io/kubernetes@v$KUBERNETES" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  # Kubernetes requires its staging modules at v0.0.0: point each at the release of the same minor and patch.
  staging=$(grep -oE '^\s+k8s.io/[a-z0-9-]+ v0\.0\.0$' "$module" | awk '{print $1}' | sort -u)
  {
    printf 'module testcluster\n\ngo 1.24.0\n\ntool (\n'
    printf '\tk8s.io/kubernetes/cmd/%s\n' "${programs[@]}"
    printf ')\nrequire k8s.io/kubernetes v%s\nreplace (\n' "$KUBERNETES"
    for m in $staging; do printf '\t%s => %s v0%s\n' "$m" "$m" "${KUBERNETES#1}"; done
    printf ')\n'
  } >go.mod
  go mod tidy
  local version=k8s.io/component-base/version
  local flags="-s -w -X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=$(echo "$KUBERNETES" | cut -d. -f2)"
  for program in "${todo[@]}"; do
    log "  $program"
    CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$BIN/$program" "k8s.io/kubernetes/cmd/$program"
  done
}

go_program() { # name version package
  [ -x "$BIN/$1" ] && return
  log "building $1 $2"
  cd "$MODULES/$1"
  printf 'module testcluster\n\ngo 1.25\n' >go.mod
  go get "$3@$2"
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$BIN/$1" "$3"
}

image() { # name file:path...   -> localhost/name:1 as $K8S_HOME/img/name.tar; the first path is what it runs
  local name=$1 entry=${2#*:}; shift
  [ -f "$name.tar" ] && return
  log "building image $name"
  { echo FROM scratch; for f in "$@"; do echo "COPY ${f%%:*} ${f#*:}"; done; echo "ENTRYPOINT [\"$entry\"]"; } >"Dockerfile.$name"
  local store=(--storage-driver vfs --root "$K8S_HOME/bld/root" --runroot "$K8S_HOME/bld/run")
  buildah "${store[@]}" bud --isolation chroot -q -f "Dockerfile.$name" -t "localhost/$name:1" . >/dev/null
  buildah "${store[@]}" push -q "localhost/$name:1" "docker-archive:$PWD/$name.tar:localhost/$name:1"
}

debian_packages
kubernetes_programs
go_program coredns v1.15.0 github.com/coredns/coredns
go_program helm v3.22.0 helm.sh/helm/v3/cmd/helm

cd "$K8S_HOME/img"
cp "$BIN/coredns" /bin/busybox .
cat >pause.c <<'C'
#include <signal.h>
#include <unistd.h>
static void quit(int signal) { _exit(0); }
int main(void) { signal(SIGTERM, quit); signal(SIGINT, quit); for (;;) pause(); }
C
[ -x pause ] || gcc -O2 -static pause.c -o pause
image pause pause:/pause
image busybox busybox:/bin/busybox busybox:/bin/sh
image coredns coredns:/coredns
