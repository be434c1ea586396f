{{- define "swiftlet.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "swiftlet.selector" -}}
app.kubernetes.io/name: swiftlet-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "swiftlet.labels" -}}
{{ include "swiftlet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "swiftlet.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "swiftlet.name" .) }}
{{- end }}

{{/* What the restricted Pod Security Standard asks, with what the values say over it. */}}
{{- define "swiftlet.podSecurity" -}}
{{- $own := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{ toYaml (mergeOverwrite $own (deepCopy .Values.podSecurityContext)) }}
{{- end }}

{{- define "swiftlet.containerSecurity" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{ toYaml (mergeOverwrite $own (deepCopy .Values.securityContext)) }}
{{- end }}

{{- define "swiftlet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What one operator may do in a namespace whose clusters it runs. */}}
{{- define "swiftlet.rules" -}}
- apiGroups: [swiftlet.io]
  resources: [swiftclusters, zones]
  verbs: [get, list, watch]
# Finalizers alone: what a person asks for is never written.
- apiGroups: [swiftlet.io]
  resources: [zones]
  verbs: [patch]
- apiGroups: [swiftlet.io]
  resources: [swiftclusters/status, zones/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# Claims are deleted where volumeClaimDeletion says so and nothing is left on them, or to be replaced.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies, ingresses]
  verbs: [get, list, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, create, patch, delete]
# Others' kinds, used where they are installed and asked for.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, create, patch, delete]
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors, prometheusrules]
  verbs: [get, list, create, patch, delete]
{{- end }}
