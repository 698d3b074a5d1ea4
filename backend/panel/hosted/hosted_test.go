package hosted

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}

func run(t *testing.T, how string, log *slog.Logger) (*host.Host, *Panels) {
	t.Helper()
	return counted(t, how, log, nil)
}

func counted(t *testing.T, how string, log *slog.Logger, in prometheus.Registerer) (*host.Host, *Panels) {
	t.Helper()
	dir := hosttest.Misbehave(t, func(m *host.Manifest, _ string) {
		m.Extends, m.Permissions = []contract.Extension{contract.ExtensionPanel}, host.Permissions{}
	})
	h, err := host.New(host.Config{Dir: dir, Registerer: in, Use: []host.Use{{ID: "test-misbehave", Timeout: 10 * time.Second, Settings: hosttest.Settings(t, how, false)}}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	require.Eventually(t, func() bool { return h.Err() == nil }, time.Minute, 10*time.Millisecond, "the plugin is up")
	return h, New(h, log)
}

// A wrong description is told once, and is no reason to start the plugin again: it would say
// the same.
func TestAWrongDescription(t *testing.T) {
	var log bytes.Buffer
	h, panels := run(t, "undescribed", slog.New(slog.NewTextHandler(&log, nil)))
	for range 5 {
		kinds, err := panels.Kinds(t.Context(), "test-misbehave")
		assert.Empty(t, kinds)
		var fault *query.PluginError
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, query.PluginWrong, fault.Fault)
		assert.Contains(t, fault.Message, "plugin test-misbehave: its description of its kinds")
		assert.Contains(t, fault.Message, "No such name")
	}
	assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("kinds of question are not there")))
	state := h.States()[0]
	assert.True(t, state.Up)
	assert.Zero(t, state.Restarts)

	// Another process is asked anew.
	require.NoError(t, h.Reload(t.Context()))
	_, err := panels.Kinds(t.Context(), "")
	require.Error(t, err)
	assert.Equal(t, 2, bytes.Count(log.Bytes(), []byte("kinds of question are not there")))
}

func TestAKindOfNobody(t *testing.T) {
	_, panels := run(t, "", slog.New(slog.DiscardHandler))
	kinds, err := panels.Kinds(t.Context(), "acme-nobody")
	require.NoError(t, err)
	assert.Empty(t, kinds)
	var wrong *query.RequestError
	err = panels.Plan(t.Context(), &contractv1.PlanRequest{Question: &contractv1.Question{Kind: "acme-nobody.x"}}, nil)
	require.ErrorAs(t, err, &wrong)
	err = panels.Answer(t.Context(), &contractv1.AnswerRequest{Question: &contractv1.Question{Kind: "nonsense"}}, nil)
	require.ErrorAs(t, err, &wrong)
}

// Whoever gives up is told so, and the plugin is not blamed.
func TestACallerThatGivesUp(t *testing.T) {
	h, panels := run(t, "", slog.New(slog.DiscardHandler))
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := panels.Plan(ctx, &contractv1.PlanRequest{Question: &contractv1.Question{
			Kind: "test-misbehave.echo", Parameters: map[string]string{"how": "plan hang", "asks": "{}"},
		}}, nil)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, h.Err())
}

// A plugin that does not say what its kinds are keeps nobody longer than they wait, and is asked
// by one for all.
func TestAPluginThatDoesNotDescribeItsKinds(t *testing.T) {
	registry := prometheus.NewRegistry()
	h, panels := counted(t, "describe hang", slog.New(slog.DiscardHandler), registry)
	patient := make(chan error)
	go func() {
		_, err := panels.Kinds(t.Context(), "")
		patient <- err
	}()
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := panels.Kinds(ctx, "test-misbehave")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
	}
	select {
	case err := <-patient:
		t.Fatalf("they have waited for the plugin: %v", err)
	default:
	}
	var fault *query.PluginError
	require.ErrorAs(t, <-patient, &fault)
	assert.Equal(t, query.PluginLate, fault.Fault)
	// It is not asked again at once, and what it did takes nothing else down.
	_, err := panels.Kinds(t.Context(), "")
	require.ErrorAs(t, err, &fault)
	assert.Equal(t, query.PluginLate, fault.Fault)
	require.NoError(t, h.Err())
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "flowgauge_plugin_calls_total" {
			require.Len(t, f.GetMetric(), 1, "calls all had the same outcome")
			assert.InDelta(t, 1, f.GetMetric()[0].GetCounter().GetValue(), 0)
		}
	}
}
