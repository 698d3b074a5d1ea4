{{- define "flowgauge.name" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "flowgauge.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "flowgauge.selector" . }}
{{- end }}

{{- define "flowgauge.selector" -}}
app.kubernetes.io/name: flowgauge
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The processes that there are: without Kafka a collector stores by itself. */}}
{{- define "flowgauge.roles" -}}
{{- if .Values.kafka.brokers }}collector sink server{{ else }}collector server{{ end -}}
{{- end }}

{{/* A process's configuration file. Takes the chart's context and a role. */}}
{{- define "flowgauge.config" -}}
{{- $v := .context.Values -}}
{{- $secrets := "/etc/flowgauge/secrets" -}}
{{- $clickhouse := dict
  "addr" (required "clickhouse.addr: give HOST:PORT of ClickHouse's native protocol" $v.clickhouse.addr)
  "database" $v.clickhouse.database "user" $v.clickhouse.user "tls" $v.clickhouse.tls
  "password_file" (printf "%s/clickhouse/%s" $secrets $v.clickhouse.passwordKey) -}}
{{- if $v.clickhouse.readerUser -}}
{{- $_ := set $clickhouse "reader_user" $v.clickhouse.readerUser -}}
{{- $_ := set $clickhouse "reader_password_file" (printf "%s/clickhouse/%s" $secrets $v.clickhouse.readerPasswordKey) -}}
{{- end -}}
{{- if $v.clickhouse.cluster }}{{ $_ := set $clickhouse "cluster" $v.clickhouse.cluster }}{{ end -}}
{{- $c := dict "tenant" $v.tenant "http" (dict "listen" ":8080") "log" (dict "format" "json") "clickhouse" $clickhouse -}}
{{- if and $v.kafka.brokers (ne .role "server") -}}
{{- $kafka := dict "brokers" $v.kafka.brokers "partitions" $v.kafka.partitions "replication" $v.kafka.replication "tls" $v.kafka.tls -}}
{{- if $v.kafka.sasl.mechanism -}}
{{- $_ := set $kafka "sasl" (dict "mechanism" $v.kafka.sasl.mechanism "user" $v.kafka.sasl.user "password_file" (printf "%s/kafka/%s" $secrets $v.kafka.sasl.passwordKey)) -}}
{{- end -}}
{{- $_ := set $c "kafka" $kafka -}}
{{- end -}}
{{- if and $v.redis.addr (ne .role "sink") -}}
{{- $redis := dict "addr" $v.redis.addr "user" $v.redis.user "tls" $v.redis.tls -}}
{{- if $v.redis.existingSecret }}{{ $_ := set $redis "password_file" (printf "%s/redis/%s" $secrets $v.redis.passwordKey) }}{{ end -}}
{{- $_ := set $c "redis" $redis -}}
{{- end -}}
{{- if and $v.privacy.existingSecret (eq .role "server") -}}
{{- $_ := set $c "privacy" (dict "key_file" (printf "%s/privacy/%s" $secrets $v.privacy.keyKey)) -}}
{{- end -}}
{{- $c = mergeOverwrite $c (deepCopy $v.config) -}}
{{- /* What makes a role one is nobody's to change. */ -}}
{{- $role := dict "data_dir" "/var/lib/flowgauge" -}}
{{- if eq .role "sink" -}}
{{- $_ := set $role "receive" (dict "enabled" false) -}}
{{- else if and (eq .role "collector") $v.kafka.brokers -}}
{{- $_ := set $role "sink" (dict "enabled" false) -}}
{{- $_ := set $role "rollup" (dict "enabled" false) -}}
{{- else if eq .role "collector" -}}
{{- $_ := set $role "wal" (dict "max_bytes" (int64 $v.collector.log.maxBytes)) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $c $role) -}}
{{- end }}

{{/* What a pod runs. Takes the chart's context, a role, and whether its data folder is a claim. */}}
{{- define "flowgauge.pod" -}}
{{- $v := .context.Values -}}
{{- $own := index $v .role -}}
metadata:
  labels:
    {{- include "flowgauge.selector" .context | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A change of the configuration starts new pods.
    checksum/config: {{ include "flowgauge.config" . | sha256sum }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "flowgauge.name" .context }}
  automountServiceAccountToken: false
  enableServiceLinks: false # their variables would begin like settings
  terminationGracePeriodSeconds: 60
  {{- with $v.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "flowgauge.selector" .context | nindent 10 }}
          app.kubernetes.io/component: {{ .role }}
  containers:
    - name: {{ .role }}
      image: "{{ required "image.repository: build deploy/Dockerfile, push the image and give its name" $v.image.repository }}:{{ $v.image.tag | default .context.Chart.AppVersion }}"
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [{{ ternary "server" "collector" (eq .role "server") }}, --config, /etc/flowgauge/config/{{ .role }}.yaml]
      ports:
        - {name: http, containerPort: 8080}
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        # A collector that is up takes events in, whether ClickHouse is there or not: /readyz would
        # take it out of the Service just when events have to wait in the log.
        httpGet: {path: {{ ternary "/healthz" "/readyz" (eq .role "collector") }}, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
      lifecycle:
        preStop:
          sleep: {seconds: 5} # until nobody is sent here any more
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources: {{ toYaml $own.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/flowgauge/config, readOnly: true}
        - {name: secrets, mountPath: /etc/flowgauge/secrets, readOnly: true}
        - {name: data, mountPath: /var/lib/flowgauge}
        {{- with $v.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "flowgauge.name" .context }}}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          - secret:
              name: {{ required "clickhouse.existingSecret: name the Secret with the passwords of ClickHouse's users" $v.clickhouse.existingSecret }}
              items:
                - {key: {{ $v.clickhouse.passwordKey }}, path: clickhouse/{{ $v.clickhouse.passwordKey }}}
                {{- if $v.clickhouse.readerUser }}
                - {key: {{ $v.clickhouse.readerPasswordKey }}, path: clickhouse/{{ $v.clickhouse.readerPasswordKey }}}
                {{- end }}
          {{- if and $v.kafka.brokers $v.kafka.sasl.mechanism (ne .role "server") }}
          - secret:
              name: {{ required "kafka.sasl.existingSecret: name the Secret with the password of kafka.sasl.user" $v.kafka.sasl.existingSecret }}
              items: [{key: {{ $v.kafka.sasl.passwordKey }}, path: kafka/{{ $v.kafka.sasl.passwordKey }}}]
          {{- end }}
          {{- if and $v.redis.addr $v.redis.existingSecret (ne .role "sink") }}
          - secret:
              name: {{ $v.redis.existingSecret }}
              items: [{key: {{ $v.redis.passwordKey }}, path: redis/{{ $v.redis.passwordKey }}}]
          {{- end }}
          {{- if and $v.privacy.existingSecret (eq .role "server") }}
          - secret:
              name: {{ $v.privacy.existingSecret }}
              items: [{key: {{ $v.privacy.keyKey }}, path: privacy/{{ $v.privacy.keyKey }}}]
          {{- end }}
    {{- if not .claim }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- with $v.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $own.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
