{{- /* The objects of a file, each changed as the values say. The files are those that kustomize has: nothing that an
object is by itself is said twice. */ -}}
{{- define "kubemacpool.file" -}}
{{- $root := .root }}
{{- range $text := splitList "\n---\n" ($root.Files.Get .file) }}
{{- $object := fromYaml $text }}
{{- if $object.Error }}{{ fail (printf "%s: %s" $.file $object.Error) }}{{ end }}
{{- if eq (include "kubemacpool.wanted" (dict "root" $root "object" $object)) "true" }}
{{- $labels := mergeOverwrite (dict) (include "kubemacpool.labels" $root | fromYaml) ($object.metadata.labels | default dict) $root.Values.commonLabels ($.labels | default dict) }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- if eq $object.kind "Deployment" }}{{ include "kubemacpool.deployment" (dict "root" $root "object" $object) }}{{ end }}
{{- if eq $object.metadata.name "kubemacpool-mac-range-config" }}{{ include "kubemacpool.pool" (dict "root" $root "object" $object) }}{{ end }}
{{- if eq $object.kind "MutatingWebhookConfiguration" }}{{ include "kubemacpool.webhooks" (dict "root" $root "object" $object) }}{{ end }}
{{- if eq $object.kind "Certificate" }}{{ include "kubemacpool.certificate" (dict "root" $root "object" $object) }}{{ end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kubemacpool.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Whether an object belongs to this release. */ -}}
{{- define "kubemacpool.wanted" -}}
{{- $values := .root.Values }}
{{- if eq .object.kind "Namespace" -}}
{{- and $values.namespaces.create (ne .root.Release.Namespace .object.metadata.name) -}}
{{- else if eq .object.kind "NetworkPolicy" -}}
{{- has "Egress" .object.spec.policyTypes | ternary $values.networkPolicies.egress $values.networkPolicies.enabled -}}
{{- else if and $values.certManager.issuerRef (or (eq .object.kind "Issuer") (eq .object.metadata.name "kubemacpool-authority")) -}}
false
{{- else -}}
true
{{- end -}}
{{- end -}}

{{- define "kubemacpool.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (printf "v%s" .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{- define "kubemacpool.deployment" -}}
{{- $values := .root.Values }}
{{- $spec := .object.spec }}
{{- $pod := $spec.template.spec }}
{{- $container := first $pod.containers }}
{{- $_ := set $spec "replicas" $values.replicas }}
{{- $_ := set $container "image" (include "kubemacpool.image" .root) }}
{{- with $values.image.pullPolicy }}{{ $_ := set $container "imagePullPolicy" . }}{{ end }}
{{- range $values.image.pullSecrets }}{{ $_ := set $pod "imagePullSecrets" (append ($pod.imagePullSecrets | default list) (dict "name" .)) }}{{ end }}
{{- with $values.args }}{{ $_ := set $container "args" (concat $container.args .) }}{{ end }}
{{- range $name, $value := $values.env }}{{ $_ := set $container "env" (append $container.env (dict "name" $name "value" $value)) }}{{ end }}
{{- with $values.resources }}{{ $_ := set $container "resources" . }}{{ end }}
{{- $_ := set $pod "priorityClassName" $values.priorityClassName }}
{{- with $values.nodeSelector }}{{ $_ := set $pod "nodeSelector" . }}{{ end }}
{{- with $values.tolerations }}{{ $_ := set $pod "tolerations" (concat ($pod.tolerations | default list) .) }}{{ end }}
{{- with $values.affinity }}{{ $_ := set $pod "affinity" . }}{{ end }}
{{- with $values.podAnnotations }}{{ $_ := set $spec.template.metadata "annotations" . }}{{ end }}
{{- $_ := set $spec.template.metadata "labels" (mergeOverwrite (deepCopy $values.podLabels) $spec.template.metadata.labels) }}
{{- if $values.zones }}
{{- $others := list }}
{{- range $pod.topologySpreadConstraints }}{{ if ne .topologyKey "topology.kubernetes.io/zone" }}{{ $others = append $others . }}{{ end }}{{ end }}
{{- $selected := dict "app" "kubemacpool" "control-plane" "mac-controller-manager" }}
{{- $zone := dict "topologyKey" "topology.kubernetes.io/zone" "maxSkew" 1 "minDomains" 3 "whenUnsatisfiable" "DoNotSchedule" "matchLabelKeys" (list "pod-template-hash") "labelSelector" (dict "matchLabels" $selected) }}
{{- $_ := set $pod "topologySpreadConstraints" (append $others $zone) }}
{{- $_ := set $spec "strategy" (dict "type" "RollingUpdate" "rollingUpdate" (dict "maxUnavailable" 1 "maxSurge" 0)) }}
{{- end }}
{{- if $values.certManager.enabled }}
{{- $files := list (dict "name" "KUBEMACPOOL_TLS_CERT_FILE" "value" "/certs/tls.crt") (dict "name" "KUBEMACPOOL_TLS_PRIVATE_KEY_FILE" "value" "/certs/tls.key") }}
{{- $_ := set $container "env" (concat $files $container.env) }}
{{- $_ := set $container "volumeMounts" (append ($container.volumeMounts | default list) (dict "name" "certs" "mountPath" "/certs" "readOnly" true)) }}
{{- $_ := set $pod "volumes" (append ($pod.volumes | default list) (dict "name" "certs" "secret" (dict "secretName" "kubemacpool-webhook-cert"))) }}
{{- end }}
{{- end -}}

{{- define "kubemacpool.pool" -}}
{{- $pool := .root.Values.pool }}
{{- $data := dict "RANGE_START" $pool.start "RANGE_END" $pool.end }}
{{- with $pool.exclude }}{{ $_ := set $data "EXCLUDE" . }}{{ end }}
{{- with $pool.search }}{{ $_ := set $data "START" . }}{{ end }}
{{- with $pool.namespaceLimit }}{{ $_ := set $data "NAMESPACE_LIMIT" (. | toString) }}{{ end }}
{{- $_ := set .object "data" $data }}
{{- end -}}

{{- define "kubemacpool.webhooks" -}}
{{- $values := .root.Values }}
{{- $modes := dict "mutatepods.kubemacpool.io" $values.namespaces.pods "mutatevirtualmachines.kubemacpool.io" $values.namespaces.virtualMachines }}
{{- range .object.webhooks }}
{{- range .namespaceSelector.matchExpressions }}
{{- if eq (get $modes .key) "opt-in" }}{{ $_ := set . "operator" "In" }}{{ $_ := set . "values" (list "allocate") }}{{ end }}
{{- end }}
{{- end }}
{{- if $values.certManager.enabled }}{{ $_ := set .object.metadata "annotations" (dict "cert-manager.io/inject-ca-from" "kubemacpool-system/kubemacpool-webhook") }}{{ end }}
{{- end -}}

{{- define "kubemacpool.certificate" -}}
{{- with .root.Values.certManager.issuerRef }}{{ $_ := set $.object.spec "issuerRef" . }}{{ end }}
{{- end -}}
