#!/usr/bin/env bash
# disk.sh NODE NAME SIZE: an XFS file system on a loop file as a local volume of that node; prints its PersistentVolume
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
node=$1 name=$2 size=$3 mount=$RUN/$1/disks/$2
mkdir -p "$mount"
truncate -s "$size" "$mount.img"
mkfs.xfs -q "$mount.img"
mount -o loop,noatime "$mount.img" "$mount"
cat <<P
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: $node-$name}
spec:
  capacity: {storage: ${size}i}
  accessModes: [ReadWriteOnce]
  storageClassName: local
  persistentVolumeReclaimPolicy: Retain
  local: {path: $mount}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$node]}]}]}}
P
