{{- define "usersig-proxy.labels" -}}
{{ include "usersig-proxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "usersig-proxy.selector" -}}
app.kubernetes.io/name: usersig-proxy
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "usersig-proxy.name" -}}
{{- if contains "usersig-proxy" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-usersig-proxy" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
