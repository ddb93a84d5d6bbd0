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
{{- range .Values.extraEnv }}
{{- if hasPrefix "VERDIGRIS_" .name -}}
{{- fail (printf "extraEnv names '%s': variables of the operator's own are set by the chart's other values" .name) -}}
{{- end -}}
{{- end -}}
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
