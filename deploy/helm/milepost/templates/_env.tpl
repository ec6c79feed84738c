{{- define "milepost.env" -}}
- name: MILEPOST_HOST
  value: "0.0.0.0"
- name: MILEPOST_PORT
  value: "5003"
- name: MILEPOST_STORE
  {{- if eq .Values.store.type "postgresql" }}
  value: {{ .Values.store.postgresql.url | quote }}
  {{- else }}
  value: sqlite:/var/lib/milepost/milepost.db
  {{- end }}
{{- if and (eq .Values.store.type "postgresql") .Values.store.postgresql.passwordSecret }}
- name: MILEPOST_STORE_PASSWORD_FILE
  value: /etc/milepost/store/{{ .Values.store.postgresql.passwordSecretKey }}
{{- end }}
{{- if .Values.access.apiKeysSecret }}
- name: MILEPOST_API_KEYS_FILE
  value: /etc/milepost/api-keys/keys.json
{{- end }}
{{- if .Values.access.insecureAllowOpen }}
- name: MILEPOST_INSECURE_ALLOW_OPEN
  value: "true"
{{- end }}
{{- if .Values.tls.secretName }}
- name: MILEPOST_TLS_CERTIFICATE_FILE
  value: /etc/milepost/tls/tls.crt
- name: MILEPOST_TLS_KEY_FILE
  value: /etc/milepost/tls/tls.key
{{- else }}
- name: MILEPOST_BEHIND_TLS_PROXY
  value: "true"
{{- end }}
{{- if .Values.encryption.keysSecret }}
- name: MILEPOST_ENCRYPTION_KEYS_FILE
  value: /etc/milepost/encryption/encryption.json
{{- end }}
{{- if .Values.metrics.enabled }}
- name: MILEPOST_METRICS_HOST
  value: "0.0.0.0"
- name: MILEPOST_METRICS_PORT
  value: {{ .Values.metrics.port | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
