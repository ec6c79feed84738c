{{- /* The one pod that the Deployment and the StatefulSet make. */ -}}
{{- define "milepost.pod" -}}
metadata:
  labels:
    {{- include "milepost.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "milepost.name" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 30
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    # The Secrets below belong to root, and this group may read them.
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: milepost
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: ["serve"]
      env:
        {{- include "milepost.env" . | nindent 8 }}
      ports:
        - name: http
          containerPort: 5003
        {{- if .Values.metrics.enabled }}
        - name: metrics
          containerPort: {{ .Values.metrics.port }}
        {{- end }}
      # A store of an earlier layout is brought up to date before the server answers.
      startupProbe:
        {{- include "milepost.probe" (list . "/healthz") | nindent 8 }}
        periodSeconds: 5
        failureThreshold: 120
      livenessProbe:
        {{- include "milepost.probe" (list . "/healthz") | nindent 8 }}
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        {{- include "milepost.probe" (list . "/readyz") | nindent 8 }}
        periodSeconds: 5
        timeoutSeconds: 5
      lifecycle:
        # Until nobody sends to this pod any more.
        preStop:
          sleep:
            seconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: ["ALL"]
      volumeMounts:
        - name: data
          mountPath: /var/lib/milepost
        {{- range include "milepost.secrets" . | fromYamlArray }}
        - name: {{ .name }}
          mountPath: /etc/milepost/{{ .name }}
          readOnly: true
        {{- end }}
  volumes:
    {{- if eq .Values.store.type "postgresql" }}
    - name: data
      emptyDir:
        sizeLimit: 1Gi
    {{- end }}
    {{- range include "milepost.secrets" . | fromYamlArray }}
    - name: {{ .name }}
      secret:
        secretName: {{ .secret }}
        defaultMode: 0440
    {{- end }}
{{- end }}

{{- define "milepost.probe" -}}
{{- $root := index . 0 -}}
httpGet:
  path: {{ index . 1 }}
  port: http
  scheme: {{ if $root.Values.tls.secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* The Secrets that are mounted, each as /etc/milepost/NAME. */ -}}
{{- define "milepost.secrets" -}}
{{- with .Values.access.apiKeysSecret }}
- { name: api-keys, secret: {{ . | quote }} }
{{- end }}
{{- with .Values.tls.secretName }}
- { name: tls, secret: {{ . | quote }} }
{{- end }}
{{- with .Values.encryption.keysSecret }}
- { name: encryption, secret: {{ . | quote }} }
{{- end }}
{{- if and (eq .Values.store.type "postgresql") .Values.store.postgresql.passwordSecret }}
- { name: store, secret: {{ .Values.store.postgresql.passwordSecret | quote }} }
{{- end }}
{{- end }}
