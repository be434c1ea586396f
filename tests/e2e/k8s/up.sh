#!/usr/bin/env bash
# A real Kubernetes on one machine, each node in a network namespace of its own with no way out.
# usage: up.sh [NODES=3] [DISKS_PER_NODE=4] [DISK_SIZE=2G]      after build.sh
# Node i: name n<i>, zone label z<i>, address 172.31.250.1<i>, pods 10.244.<i>.0/24, disks as local volumes on XFS.
# K8S_NAME: tells clusters apart that run side by side (default k8s).
# K8S_SYNC: how often a kubelet looks at its pods (default 10s here; 1m is Kubernetes' own).
# K8S_ETCD_BYTES: how much etcd takes (default 4 GiB here; 0 is etcd's own).
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")")
. "$HERE/env.sh"
NODES=${1:-3} DISKS=${2:-4} SIZE=${3:-2G}
mkdir -p "$RUN"/{pki,log,cp}

# --- network: a bridge in a namespace of its own, a namespace a node
ip netns add "$K8S_NAME-fab"; in_namespace "$K8S_NAME-fab" ip link set lo up
in_namespace "$K8S_NAME-fab" ip link add br0 type bridge; in_namespace "$K8S_NAME-fab" ip link set br0 up
for i in $(seq "$NODES"); do n=$K8S_NAME-n$i
  ip netns add "$n"; in_namespace "$n" ip link set lo up
  ip link add "$K8S_NAME-v$i" type veth peer name eth0 netns "$n"
  ip link set "$K8S_NAME-v$i" netns "$K8S_NAME-fab"; in_namespace "$K8S_NAME-fab" ip link set "$K8S_NAME-v$i" master br0 up
  in_namespace "$n" ip addr add $NODE_NET.1"$i"/24 dev eth0; in_namespace "$n" ip link set eth0 up
  in_namespace "$n" ip route add default via $NODE_NET.1           # nobody there: services need a route, packets get none
  in_namespace "$n" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
done
for i in $(seq "$NODES"); do for j in $(seq "$NODES"); do
  [ "$i" = "$j" ] || in_namespace "$K8S_NAME-n$i" ip route add 10.244."$j".0/24 via $NODE_NET.1"$j"; done; done

# --- keys and kubeconfigs
cd "$RUN/pki"
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj /CN=k8s-ca -days 3650 -out ca.crt
openssl genrsa -out sa.key 2048 2>/dev/null; openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
cert() { # name subject [san]
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" \
    -extfile <(echo "extendedKeyUsage=clientAuth,serverAuth"; [ -z "${3:-}" ] || echo "subjectAltName=$3") 2>/dev/null
  cat >"$1.conf" <<K
apiVersion: v1
kind: Config
clusters: [{name: k, cluster: {server: "https://$NODE_NET.11:6443", certificate-authority: $RUN/pki/ca.crt}}]
users: [{name: u, user: {client-certificate: $RUN/pki/$1.crt, client-key: $RUN/pki/$1.key}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
current-context: c
K
}
cert apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$NODE_NET.11,IP:10.96.0.1"
cert admin /O=system:masters/CN=admin
cert kcm /CN=system:kube-controller-manager
cert sched /CN=system:kube-scheduler
cert proxy /CN=system:kube-proxy
cert kubelet-client /O=system:masters/CN=apiserver-kubelet
cert front /CN=front-proxy
for i in $(seq "$NODES"); do cert n"$i" /O=system:nodes/CN=system:node:n"$i" "DNS:n$i,IP:$NODE_NET.1$i"; done

# --- control plane, on node 1
spawn etcd "$K8S_NAME-n1" etcd --data-dir "$RUN/cp/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync --quota-backend-bytes "${K8S_ETCD_BYTES:-4294967296}"
spawn apiserver "$K8S_NAME-n1" "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --service-cluster-ip-range=$SERVICE_NET \
  --advertise-address=$NODE_NET.11 --secure-port=6443 --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key --client-ca-file=ca.crt \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=sa.pub --service-account-signing-key-file=sa.key \
  --kubelet-client-certificate=kubelet-client.crt --kubelet-client-key=kubelet-client.key --kubelet-certificate-authority=ca.crt \
  --kubelet-preferred-address-types=InternalIP --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
  --requestheader-client-ca-file=ca.crt --requestheader-allowed-names=front-proxy --requestheader-username-headers=X-Remote-User \
  --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file=front.crt --proxy-client-key-file=front.key
k() { "$HERE/exec.sh" kubectl "$@"; }
for _ in $(seq 240); do k get --raw /readyz >/dev/null 2>&1 && break; sleep 0.25; done
log "apiserver ready"
spawn kcm "$K8S_NAME-n1" "$BIN/kube-controller-manager" --kubeconfig=kcm.conf --authentication-kubeconfig=kcm.conf --authorization-kubeconfig=kcm.conf \
  --service-account-private-key-file=sa.key --root-ca-file=ca.crt --cluster-signing-cert-file=ca.crt --cluster-signing-key-file=ca.key \
  --use-service-account-credentials --cluster-cidr=10.244.0.0/16 --leader-elect=false --node-monitor-grace-period=20s
spawn sched "$K8S_NAME-n1" "$BIN/kube-scheduler" --kubeconfig=sched.conf --authentication-kubeconfig=sched.conf --authorization-kubeconfig=sched.conf --leader-elect=false

# --- nodes
echo "nameserver $NODE_NET.1" >"$RUN/resolv.conf"
for i in $(seq "$NODES"); do
  N=$RUN/n$i; mkdir -p "$N"/{kubelet,cni,ctrd,ctrd-state,pods-logs,disks}
  # kubelets on one machine must not share a cgroup root: each removes the pod cgroups it does not know
  for c in /sys/fs/cgroup/*/; do mkdir -p "$c/$K8S_NAME-n$i"; done
  [ ! -d /sys/fs/cgroup/cpuset ] || for f in cpus mems; do cat /sys/fs/cgroup/cpuset/cpuset.$f >"/sys/fs/cgroup/cpuset/$K8S_NAME-n$i/cpuset.$f"; done
  cat >"$N/cni/10-bridge.conflist" <<C
{"cniVersion":"0.4.0","name":"k8s","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,"ipam":{"type":"host-local","dataDir":"$N/ipam","ranges":[[{"subnet":"10.244.$i.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
C
  cat >"$N/containerd.toml" <<C
version = 2
root = "$N/ctrd"
state = "$N/ctrd-state"
[grpc]
  address = "$N/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$N/cni"
C
  cat >"$N/kubelet.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $RUN/pki/n$i.crt
tlsPrivateKeyFile: $RUN/pki/n$i.key
cgroupDriver: cgroupfs
cgroupRoot: /$K8S_NAME-n$i
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
oomScoreAdj: 0
clusterDNS: [$DNS_ADDRESS]
clusterDomain: cluster.local
resolvConf: $RUN/resolv.conf
containerRuntimeEndpoint: unix://$N/containerd.sock
podLogsDir: $N/pods-logs
evictionHard: {memory.available: "0%", nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
syncFrequency: ${K8S_SYNC:-10s}
C
  cat >"$N/proxy.yaml" <<C
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $RUN/pki/proxy.conf}
mode: iptables
hostnameOverride: n$i
clusterCIDR: 10.244.0.0/16
conntrack: {maxPerCore: 0}
C
  start_node "$i"
  for d in $(seq "$DISKS"); do "$HERE/disk.sh" "n$i" "d$d" "$SIZE" >>"$RUN/volumes.yaml"; done
done

# --- images, volumes, DNS
"$HERE/load.sh" "$K8S_HOME"/img/*.tar >"$RUN/log/images.log"
k apply -f "$HERE/coredns.yaml" -f "$HERE/storageclass.yaml" >/dev/null
[ ! -s "$RUN/volumes.yaml" ] || k apply -f "$RUN/volumes.yaml" >/dev/null
for i in $(seq "$NODES"); do k wait --for=condition=Ready node/n"$i" --timeout=60s >/dev/null; done
k -n kube-system rollout status deploy/coredns --timeout=90s >/dev/null
log "up: $NODES nodes"
