#!/usr/bin/env bash
# The arrows between our packages, and what each may stand on (ARCHITECTURE.md). Prints each that is wrong.
set -euo pipefail
cd "$(dirname "$0")/../.."
wrong=0
depends() { cargo tree --offline -q -p "$1" -e normal --prefix none 2>/dev/null | awk '{print $1}' | sort -u; }
forbid() { # package forbidden...
  local package=$1 tree; shift
  tree=$(depends "$package")
  [ -n "$tree" ] || { echo "no such package: $package"; wrong=1; return; }
  for other in "$@"; do
    if grep -qx "$other" <<<"$tree"; then echo "$package must not depend on $other"; wrong=1; fi
  done
}
runtime=(tokio hyper axum kube k8s-openapi rusqlite)
forbid swiftlet-ec "${runtime[@]}" swiftlet-types swiftlet-ring swiftlet-storage swiftlet-plan
forbid swiftlet-md5 "${runtime[@]}" swiftlet-types swiftlet-ring swiftlet-storage swiftlet-plan
forbid swiftlet-types "${runtime[@]}" swiftlet-ring swiftlet-storage swiftlet-plan
forbid swiftlet-ring "${runtime[@]}" swiftlet-storage swiftlet-plan
forbid swiftlet-plan "${runtime[@]}" swiftlet-storage swiftlet
forbid swiftlet-storage tokio hyper axum kube k8s-openapi swiftlet-plan swiftlet
forbid swiftlet kube k8s-openapi swiftlet-operator
forbid swiftlet-operator swiftlet-storage swiftlet rusqlite

uses() { # what may not be there, in which folders
  local pattern=$1; shift
  if grep -rnE "$pattern" "$@" --include='*.rs'; then echo "  ^ not from there"; wrong=1; fi
}
cd node/src
# The proxy and the storage servers share types and HTTP alone.
uses 'crate::(object|container|account)::|swiftlet_storage' proxy
uses 'crate::proxy::' object container account http serve daemon
# A server never imports a daemon; a middleware never imports another; only `dev` knows the planner.
uses 'crate::(object|container)::(updater|auditor|expirer|reconciler|sync)::' object/handlers container/handlers account
uses '::replicator|::reaper' */handlers account/server.rs container/server.rs database/replicate
uses 'crate::(internal|direct)_client' */handlers proxy http serve
for file in proxy/middleware/*; do
  name=$(basename "$file" .rs)
  [ "$name" = mod ] && continue
  others=$(ls proxy/middleware | sed 's/\.rs$//' | grep -vx -e mod -e "$name" | paste -sd'|')
  [ -z "$others" ] || uses "middleware::($others)::" "$file"
done
uses 'swiftlet_plan' $(ls | grep -vx -e dev -e cli)
exit $wrong
