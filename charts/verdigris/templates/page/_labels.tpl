{{- define "verdigris.pageName" -}}
{{ printf "%s-page" (include "verdigris.fullname" .) }}
{{- end -}}

{{- define "verdigris.pageLabels" -}}
app.kubernetes.io/name: verdigris
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: page
{{- end -}}
