# Sourced by every script here: where the test cluster lives. Keep K8S_HOME short: containerd's sockets lie below it
# and a socket path holds 107 characters. K8S_NAME tells clusters apart that run side by side; at most 8 characters.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
export K8S_HOME=${K8S_HOME:-$ROOT/target/k8s}
BIN=$K8S_HOME/bin
export K8S_NAME=${K8S_NAME:-k8s}
RUN=$K8S_HOME/run/$K8S_NAME
NODE_NET=172.31.250                     # node i is $NODE_NET.1i
SERVICE_NET=10.96.0.0/16
DNS_ADDRESS=10.96.0.10

log() { echo "$(date +%T) $*" >&2; }
# Not `ip netns exec`: that remounts /sys and hides the cgroups.
in_namespace() { nsenter --net=/run/netns/"$1" "${@:2}"; }
# spawn NAME NAMESPACE COMMAND...: in the background, its pid and log by name
spawn() {
  local name=$1 namespace=$2; shift 2
  setsid nsenter --net=/run/netns/"$namespace" "$@" >>"$RUN/log/$name.log" 2>&1 </dev/null &
  echo $! >"$RUN/$name.pid"
}
# A kubelet that starts before its containerd answers exits, so whoever starts one waits for the other.
start_node() {
  local i=$1 dir=$RUN/n$1
  rm -f "$dir/containerd.sock"
  spawn "containerd$i" "$K8S_NAME-n$i" containerd --config "$dir/containerd.toml"
  for _ in $(seq 100); do ctr -a "$dir/containerd.sock" version >/dev/null 2>&1 && break; sleep 0.1; done
  spawn "kubelet$i" "$K8S_NAME-n$i" "$BIN/kubelet" --config="$dir/kubelet.yaml" --kubeconfig="$RUN/pki/n$i.conf" \
    --root-dir="$dir/kubelet" --hostname-override="n$i" --node-ip="$NODE_NET.1$i" --cert-dir="$dir/kubelet/pki" \
    --node-labels="topology.kubernetes.io/zone=z$i"
  spawn "kproxy$i" "$K8S_NAME-n$i" "$BIN/kube-proxy" --config="$dir/proxy.yaml"
}
