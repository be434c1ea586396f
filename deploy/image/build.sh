#!/usr/bin/env bash
# Builds both images from static binaries: target/image/swiftlet.tar and swiftlet-operator.tar, docker archives tagged
# localhost/swiftlet:VERSION and localhost/swiftlet-operator:VERSION; beside them target/image/kubectl-swift.
# usage: build.sh VERSION DIR_WITH_STATIC_BINARIES
# With docker on this machine it is used; else buildah, which needs no daemon.
set -euo pipefail
version=$1 binaries=$(cd "$2" && pwd)
here=$(dirname "$(readlink -f "$0")")
out=$(cd "$here/../.." && pwd)/target/image
IMAGE_BYTES_MAX=$((30 * 1000 * 1000))

layout() { # image: bin/ with the binary alone, stripped of what only a debugger reads
  rm -rf "${out:?}/$1"
  mkdir -p "$out/$1/bin"
  strip -o "$out/$1/bin/$1" "$binaries/$1"
  ! readelf -l "$out/$1/bin/$1" | grep -q INTERP || { echo "$1 is not static; see CARGO_RELEASE in the Makefile" >&2; exit 1; }
}

build() { # image
  local tag=localhost/$1:$version archive=$out/$1.tar
  rm -f "$archive"
  if docker info >/dev/null 2>&1; then
    docker build -q -t "$tag" -f "$here/$1.Dockerfile" "$out/$1" >/dev/null
    docker save -o "$archive" "$tag"
  else
    command -v buildah >/dev/null || { echo "installing buildah" >&2; apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq buildah >/dev/null; }
    # vfs and chroot need neither overlay mounts nor namespaces, so this works inside a container too.
    local store=(--storage-driver vfs --root "$out/.store/root" --runroot "$out/.store/run")
    buildah "${store[@]}" bud --isolation chroot -q --timestamp 0 -t "$tag" -f "$here/$1.Dockerfile" "$out/$1" >/dev/null
    buildah "${store[@]}" push -q "$tag" "docker-archive:$archive:$tag"
    buildah "${store[@]}" rmi "$tag" >/dev/null
  fi
  local bytes; bytes=$(stat -c %s "$archive")
  echo "$archive  $tag  $((bytes / 1000 / 1000)) MB"
  [ "$bytes" -le "$IMAGE_BYTES_MAX" ] || { echo "$archive is larger than $((IMAGE_BYTES_MAX / 1000 / 1000)) MB" >&2; exit 1; }
}

layout swiftlet
# Swift's names, for whoever runs `kubectl exec POD -- swift-get-nodes …`.
"$out/swiftlet/bin/swiftlet" install-links "$out/swiftlet/bin"
for link in "$out"/swiftlet/bin/swift-*; do ln -sfn swiftlet "$link"; done   # made for this folder, used in another
layout swiftlet-operator
# For people's own machines; no image holds it.
strip -o "$out/kubectl-swift" "$binaries/kubectl-swift"
build swiftlet
build swiftlet-operator
