{{- define "milepost.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "milepost.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "milepost.labels" -}}
{{ include "milepost.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "milepost.check" -}}
{{- $access := .Values.access }}
{{- if not (or $access.apiKeysSecret $access.other $access.insecureAllowOpen) }}
{{- fail "give access.apiKeysSecret, a Secret with the keys.json that 'milepost keys create' makes; without one the server would have to let everybody in (access.insecureAllowOpen), or know callers some other way (access.other with extraEnv)" }}
{{- end }}
{{- end }}
