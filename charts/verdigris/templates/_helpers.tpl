{{/* Prefix of every name, at most 40 characters so that the longest suffix fits a label. */}}
{{- define "verdigris.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "verdigris.selectorLabels" -}}
app.kubernetes.io/name: verdigris
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Labels of every object. The component is told by those that need it. */}}
{{- define "verdigris.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/name: verdigris
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: verdigris
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* These labels, and `more` of the values, which come before commonLabels. No name is written twice. */}}
{{- define "verdigris.labelsAnd" -}}
{{- toYaml (merge (dict) (default (dict) .more) (include "verdigris.labels" .root | fromYaml)) -}}
{{- end -}}

{{/* Milliseconds of a duration such as 1m30s; 0 for what is none. */}}
{{- define "verdigris.milliseconds" -}}
{{- $total := 0 -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- if regexMatch "^([0-9]{1,5}h|[0-9]{1,6}(m|s|ms)){1,4}$" . -}}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $total = add $total (mul (regexFind "[0-9]+" . | atoi) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{- define "verdigris.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end -}}

{{- define "verdigris.servingImage" -}}
{{- default (printf "verdigris/serving:%s" .Chart.AppVersion) .Values.serving.image -}}
{{- end -}}

{{- define "verdigris.servingImageOnnx" -}}
{{- default (printf "verdigris/serving-onnx:%s" .Chart.AppVersion) .Values.serving.images.onnx -}}
{{- end -}}

{{- define "verdigris.servingImageSklearn" -}}
{{- default (printf "verdigris/serving-sklearn:%s" .Chart.AppVersion) .Values.serving.images.sklearn -}}
{{- end -}}

{{/* Restricted Pod Security: the pod's half and the container's half. */}}
{{- define "verdigris.podSecurityContext" -}}
runAsNonRoot: true
{{- if not (.Values.podSecurity).anyUser }}
runAsUser: 65532
runAsGroup: 65532
{{- if (.Values.audit).enabled }}
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "verdigris.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Port of prometheus.address: the one it names, or the scheme's. */}}
{{- define "verdigris.prometheusPort" -}}
{{- $url := urlParse .Values.prometheus.address -}}
{{- $named := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $named -}}
{{- end -}}

{{- define "verdigris.registryPort" -}}
{{- $url := urlParse .Values.registry.address -}}
{{- $named := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $named -}}
{{- end -}}

{{/* What the schema cannot say in a sentence, said in one. */}}
{{- define "verdigris.validate" -}}
{{- if not (regexMatch "^https?://[^\\s/?#]+(/\\S*)?$" .Values.prometheus.address) -}}
{{- fail (printf "prometheus.address is '%s': give the base URL of Prometheus, for example http://prometheus-operated.monitoring.svc:9090" .Values.prometheus.address) -}}
{{- end -}}
{{- range .Values.prometheus.allowedAddresses }}
{{- if not (regexMatch "^https?://[^\\s/?#,]+(/[^\\s,]*)?$" .) -}}
{{- fail (printf "prometheus.allowedAddresses names '%s': give base URLs of Prometheus, for example http://prometheus.team-a.svc:9090" .) -}}
{{- end -}}
{{- end -}}
{{- if not (regexMatch "^([0-9]{1,6}(s|m|h)){1,4}$" .Values.resyncInterval) -}}
{{- fail (printf "resyncInterval is '%s': give a duration, for example 10m or 1h" .Values.resyncInterval) -}}
{{- end -}}
{{- if and .Values.image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" .Values.image.digest)) -}}
{{- fail (printf "image.digest is '%s': give sha256: and 64 hex digits, or leave it empty and set image.tag" .Values.image.digest) -}}
{{- end -}}
{{- $named := dict -}}
{{- range .Values.extraEnv }}
{{- if hasPrefix "VERDIGRIS_" .name -}}
{{- fail (printf "extraEnv names '%s': variables of the operator's own are set by the chart's other values" .name) -}}
{{- end -}}
{{- if hasKey $named .name -}}
{{- fail (printf "extraEnv names '%s' twice: give it once" .name) -}}
{{- end -}}
{{- if and .value .valueFrom -}}
{{- fail (printf "extraEnv gives '%s' a value and a valueFrom: give one of them" .name) -}}
{{- end -}}
{{- $_ := set $named .name true -}}
{{- end -}}
{{- include "verdigris.validateNames" . -}}
{{- include "verdigris.validateLease" . -}}
{{- if (.Values.audit).enabled -}}
{{- if and (gt (int .Values.replicas) 1) (ne .Values.audit.volume.accessMode "ReadWriteMany") -}}
{{- fail (printf "audit.volume.accessMode is %s, which one node, or pod, can mount, and replicas is %d: set replicas to 1, or give a volume that is ReadWriteMany" .Values.audit.volume.accessMode (int .Values.replicas)) -}}
{{- end -}}
{{- end -}}
{{- range .Values.watchNamespaces -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" .) -}}
{{- fail (printf "watchNamespaces names '%s': give names of namespaces, without patterns; leave the list empty to serve all" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the chart names itself is no name of the values': it would be written twice, or change whom a selector finds. */}}
{{- define "verdigris.validateNames" -}}
{{- $name := include "verdigris.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "all objects would be named '%s': set fullnameOverride to lower-case letters, digits and '-', beginning with a letter" $name) -}}
{{- end -}}
{{- $monitoring := default (dict) .Values.monitoring -}}
{{- $labels := dict "commonLabels" .Values.commonLabels "serviceMonitor.labels" .Values.serviceMonitor.labels -}}
{{- $_ := set $labels "monitoring.prometheusRule.labels" ($monitoring.prometheusRule).labels -}}
{{- $_ := set $labels "monitoring.dashboards.labels" ($monitoring.dashboards).labels -}}
{{- range $where, $given := $labels -}}
{{- range $label, $_ := $given -}}
{{- if regexMatch "^(helm[.]sh/chart|app[.]kubernetes[.]io/(name|instance|version|component|part-of|managed-by))$" $label -}}
{{- fail (printf "%s names '%s', which the chart sets: choose another name" $where $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if hasKey (default (dict) .Values.podAnnotations) "kubectl.kubernetes.io/default-container" -}}
{{- fail "podAnnotations names 'kubectl.kubernetes.io/default-container', which the chart sets: remove it" -}}
{{- end -}}
{{- end -}}

{{- define "verdigris.validateLease" -}}
{{- $lease := merge (dict) (default (dict) .Values.lease) (dict "retryPeriod" "2s" "renewDeadline" "10s" "duration" "15s") -}}
{{- $least := 0 -}}
{{- range $field := list "retryPeriod" "renewDeadline" "duration" -}}
{{- $time := include "verdigris.milliseconds" (get $lease $field) | atoi -}}
{{- if eq $time 0 -}}
{{- fail (printf "lease.%s is '%s': give a duration above zero, for example 15s" $field (get $lease $field)) -}}
{{- end -}}
{{- if le $time $least -}}
{{- fail (printf "lease.%s is %s: the lease's times must grow, retryPeriod < renewDeadline < duration, for example 2s, 10s and 15s" $field (get $lease $field)) -}}
{{- end -}}
{{- $least = $time -}}
{{- end -}}
{{- end -}}
