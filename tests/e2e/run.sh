#!/usr/bin/env bash
# The operator and its clusters on a real Kubernetes.
# Uses the cluster that KUBECONFIG names, which must have a default StorageClass and be able to pull
# E2E_IMAGES/swiftlet and E2E_IMAGES/swiftlet-operator (default localhost); else makes one with kind where docker runs;
# else builds Kubernetes itself on this machine (tests/e2e/k8s, needs root). Images come from `make image`.
# usage: run.sh [file.py [scenario…]]       without: all of them; E2E_KEEP=1 leaves the cluster up
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(cd "$here/../.." && pwd)
images=("$root/target/image/swiftlet.tar" "$root/target/image/swiftlet-operator.tar")
for image in "${images[@]}"; do [ -f "$image" ] || { echo "$image is missing: run make image" >&2; exit 1; }; done
export E2E_IMAGES=${E2E_IMAGES:-localhost}

go_tool() { # name package@version: built once below target/
  export PATH=$root/target/bin:$PATH
  command -v "$1" >/dev/null || { echo "building $1 …" >&2; GOBIN=$root/target/bin go install "$2"; }
}

own_cluster() {
  "$here/k8s/build.sh"
  "$here/k8s/down.sh" 2>/dev/null
  [ -n "${E2E_KEEP:-}" ] || trap '"$here/k8s/down.sh"' EXIT
  "$here/k8s/up.sh" 3 10 2G
  "$here/k8s/load.sh" "${images[@]}" >/dev/null
  export E2E_EXEC=$here/k8s/exec.sh
  . "$here/k8s/env.sh"
  export PATH=$BIN:$PATH
}

kind_cluster() {
  go_tool kind sigs.k8s.io/kind@v0.30.0
  go_tool helm helm.sh/helm/v3/cmd/helm@v3.22.0
  export KUBECONFIG=$root/target/e2e-kubeconfig
  [ -n "${E2E_KEEP:-}" ] || trap 'kind delete cluster --name swiftlet-e2e' EXIT
  kind create cluster --name swiftlet-e2e --config - <<K
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}, {role: worker}]
K
  for image in "${images[@]}"; do kind load image-archive --name swiftlet-e2e "$image"; done
}

if [ -n "${KUBECONFIG:-}" ]; then
  go_tool helm helm.sh/helm/v3/cmd/helm@v3.22.0
elif docker info >/dev/null 2>&1; then
  kind_cluster
else
  own_cluster
fi
"$root/deploy/render.sh" --check
if [ $# -gt 0 ]; then
  python3 "$here/$1" "${@:2}"
else
  # Where one file fails the others still say what they found.
  failed=()
  for scenarios in scenarios.py fits_in.py day_two.py kubectl_swift.py; do
    echo "-- $scenarios"
    python3 "$here/$scenarios" || failed+=("$scenarios")
    python3 "$here/tidy.py" || failed+=("tidy.py after $scenarios")
  done
  [ ${#failed[@]} = 0 ] || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
fi
