#!/usr/bin/env bash
# Ends what up.sh started, by process id, and removes its mounts, namespaces and cgroups.
set -u
. "$(dirname "$(readlink -f "$0")")/env.sh"
end() { for f in "$@"; do [ -f "$f" ] && kill "$(cat "$f")" 2>/dev/null; done; }
tasks() { ctr -a "$1" -n k8s.io task ls -q 2>/dev/null; }

end "$RUN"/kubelet*.pid "$RUN"/kproxy*.pid
sleep 1
for socket in "$RUN"/n*/containerd.sock; do
  [ -S "$socket" ] || continue
  for task in $(tasks "$socket"); do ctr -a "$socket" -n k8s.io task kill -s 9 "$task" >/dev/null 2>&1; done
  sleep 1
  for task in $(tasks "$socket"); do ctr -a "$socket" -n k8s.io task rm -f "$task" >/dev/null 2>&1; done
done
end "$RUN"/*.pid
sleep 1
# The shims outlive their containerd; the socket path below our own folder names ours and nobody else's.
for pid in $(pgrep -f "containerd-shim.*$RUN/"); do kill -9 "$pid" 2>/dev/null; done
awk '{print $2}' /proc/mounts | grep "^$RUN/" | sort -r | while read -r mount; do umount -l "$mount" 2>/dev/null; done
for namespace in $(ip netns list | awk -v ours="^$K8S_NAME-" '$1 ~ ours {print $1}'); do ip netns del "$namespace"; done
rm -rf "$RUN"
for group in /sys/fs/cgroup/*/"$K8S_NAME"-n*/; do find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null; done
true
