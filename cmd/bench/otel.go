package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// otelVersion is the release of the OpenTelemetry Collector that Flowgauge is
// measured beside.
const otelVersion = "v0.161.0"

// otelManifest is for the collector's own builder: what the comparison needs.
const otelManifest = `dist: {name: otelcol, output_path: %s}
receivers: [{gomod: go.opentelemetry.io/collector/receiver/otlpreceiver VERSION}]
exporters: [{gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/clickhouseexporter VERSION}]
extensions: [{gomod: github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage VERSION}]
`

// otelConfig acknowledges a span after it is in a queue on disk, synced, as
// Flowgauge does.
const otelConfig = `extensions:
  file_storage: {directory: %[1]s, fsync: true, create_directory: true}
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:%[2]s"}}}
exporters:
  clickhouse:
    endpoint: tcp://%[3]s
    database: %[4]s
    username: %[5]s
    password: %[6]s
%[7]s
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  extensions: [file_storage]
  pipelines:
    traces: {receivers: [otlp], exporters: [clickhouse]}
`

// A queue on disk with the exporter's defaults for all else, and one that is tuned for
// this load: large batches, as Flowgauge makes them, and no more consumers than processors.
const (
	otelDefaults = `    sending_queue: {enabled: true, storage: file_storage}`
	otelTuned    = `    async_insert: false
    sending_queue:
      enabled: true
      storage: file_storage
      queue_size: 20000
      num_consumers: 2
      block_on_overflow: true
      batch: {flush_timeout: 1s, min_size: 50000, max_size: 100000, sizer: items}
    timeout: 60s`
)

// buildOtel builds the OpenTelemetry Collector once and keeps it.
func buildOtel(ctx context.Context, progress func(string)) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "flowgauge", "otelcol-"+otelVersion)
	program := filepath.Join(dir, "otelcol")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	progress("building the OpenTelemetry Collector, which takes some minutes")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	work := filepath.Join(dir, "build")
	manifest := filepath.Join(dir, "manifest.yaml")
	text := strings.ReplaceAll(fmt.Sprintf(otelManifest, work), "VERSION", otelVersion)
	if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
		return "", err
	}
	//nolint:gosec // the version is a constant, the path our own
	cmd := exec.CommandContext(ctx, "go", "run", "go.opentelemetry.io/collector/cmd/builder@"+otelVersion, "--config", manifest)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the OpenTelemetry Collector: %w\n%s", err, out)
	}
	return program, os.Rename(filepath.Join(work, "otelcol"), program)
}

// An otel is an OpenTelemetry Collector in front of a ClickHouse.
type otel struct {
	cmd *exec.Cmd
	url string
	log bytes.Buffer
}

func startOtel(ctx context.Context, program, dir, queue string, d *database) (*otel, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yaml")
	user := d.endpoint.Writer
	text := fmt.Sprintf(otelConfig, filepath.Join(dir, "queue"), port, d.endpoint.TCPAddr(), d.name, user.Name, user.Password, queue)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	o := &otel{url: "http://127.0.0.1:" + port + "/v1/traces"}
	//nolint:gosec // the path is our own
	o.cmd = exec.Command(program, "--config", config)
	o.cmd.Stdout, o.cmd.Stderr = &o.log, &o.log
	if err := o.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the OpenTelemetry Collector: %w", err)
	}
	for range 600 {
		if status, _, err := get(ctx, o.url); err == nil && status == http.StatusMethodNotAllowed {
			return o, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	o.stop()
	return nil, fmt.Errorf("the OpenTelemetry Collector does not answer\n%s", o.log.String())
}

func (o *otel) stop() {
	_ = o.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = o.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		_ = o.cmd.Process.Kill()
	}
}
