#!/usr/bin/env bash
# exec.sh COMMAND...: runs a command (kubectl, helm, curl, a swift client) inside node 1's network, with KUBECONFIG set
. "$(dirname "$(readlink -f "$0")")/env.sh"
export KUBECONFIG=$RUN/pki/admin.conf PATH=$BIN:$PATH
exec nsenter --net=/run/netns/"$K8S_NAME"-n1 "$@"
