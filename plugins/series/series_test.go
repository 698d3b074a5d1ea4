package series_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
	"github.com/flowgauge/flowgauge/plugins/series"
)

func TestMain(m *testing.M) {
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}

// run runs test-misbehave until the test ends. Of a series it does what the series' metric says.
func run(t *testing.T, timeout time.Duration) *host.Plugin {
	t.Helper()
	hows := map[string]string{}
	for _, how := range []string{"crash", "hang", "error", "refused", "nan", "infinite", "few", "crossed", "negative", "level", "none", "bounds", "total", "text"} {
		hows[how] = how
	}
	settings, err := json.Marshal(map[string]any{"mark": "as it was", "metrics": hows})
	require.NoError(t, err)
	extends := []contract.Extension{contract.ExtensionForecaster, contract.ExtensionDetector}
	plugins := hosttest.Misbehave(t, func(m *host.Manifest, _ string) { m.Extends, m.Permissions = extends, host.Permissions{} })
	h, err := host.New(host.Config{Dir: plugins, Use: []host.Use{{ID: "test-misbehave", Settings: settings, Timeout: timeout}}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	p := h.Plugins(contract.ExtensionForecaster)[0]
	isUp(t, p)
	return p
}

func isUp(t *testing.T, p *host.Plugin) {
	t.Helper()
	require.Eventually(t, func() bool { return p.Err() == nil }, time.Minute, 20*time.Millisecond)
}

func of(metric string) *contract.Series {
	return &contract.Series{Metric: metric, Times: []int64{1, 2, 3, 4, 5}, Values: []float64{5, math.NaN(), 4, math.NaN(), 4}}
}

func TestAnAnswerThatBreaksTheContractIsAFailure(t *testing.T) {
	p := run(t, time.Minute)
	forecast := func(metric string) (*contractv1.ForecastResponse, error) {
		return series.Forecaster{Plugin: p}.Forecast(t.Context(), &contractv1.ForecastRequest{Series: of(metric), Times: []int64{6, 7}, Levels: []float64{0.8, 0.95}})
	}
	detect := func(metric string) (*contractv1.DetectResponse, error) {
		return series.Detector{Plugin: p}.Detect(t.Context(), &contractv1.DetectRequest{Series: of(metric), From: 2, FalseAlarms: 0.01})
	}
	for how, want := range map[string][2]string{
		"error":    {"the model is not loaded", "the model is not loaded"},
		"nan":      {"values[0]: NaN is no finite number", "anomalies[0].score: NaN is no finite number"},
		"infinite": {"that of level 0.8, at 0: +Inf is no finite number", "anomalies[0].upper: +Inf is no finite number"},
		"few":      {"values: there are 1, for 2 buckets", "anomalies[0]: there is no bucket 5, the last is 4"},
		"crossed":  {"that of level 0.8, at 0, is 5 to 3, and 4 is expected", "anomalies[0]: what is usual is 2 to 1"},
		"negative": {"that of level 0.8, at 0: -1 is less than 0, which the series never was", "anomalies[0].score: -1 is less than 0"},
		"level":    {"there is none of level 0.8", "anomalies[0]: bucket 1 is there to learn from, those from 2 on are to be judged"},
		"none":     {"intervals: there are 0, for the levels [0.8 0.95]", "anomalies[0]: bucket 3 has no value that could be judged"},
		"bounds":   {"that of level 0.8 has 1 lower and 2 upper bounds, want 2", "anomalies[1]: bucket 2 is out of order, or named twice"},
		"total":    {"total: that of level 0.8, at 0, is 0 to 0, and 8 is expected", "anomalies[0].reason: it has 501 bytes, at most 500 are allowed"},
		"text":     {"method: it has 201 bytes, at most 200 are allowed", "method: it has 201 bytes"},
	} {
		var failed *host.FailedError
		res, err := forecast(how)
		require.ErrorAs(t, err, &failed, how)
		assert.Nil(t, res)
		assert.ErrorContains(t, err, "plugin test-misbehave: ")
		assert.ErrorContains(t, err, want[0], how)
		assert.False(t, failed.Late || failed.Gone)
		judged, err := detect(how)
		require.ErrorAs(t, err, &failed, how)
		assert.Nil(t, judged)
		assert.ErrorContains(t, err, want[1], how)
		// One that has failed is asked again, and is taken down only if it goes on failing.
		good, err := forecast("fine")
		require.NoError(t, err)
		assert.Equal(t, []float64{4, 4}, good.GetValues())
		found, err := detect("fine")
		require.NoError(t, err)
		assert.EqualValues(t, 2, found.GetAnomalies()[0].GetIndex())
	}
	var refused *host.RefusedError
	_, err := forecast("refused")
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "it wants a year of history", refused.Refusal())
	require.NoError(t, p.Err())
}

func ask(t *testing.T, p *host.Plugin, metric string) error {
	_, err := series.Forecaster{Plugin: p}.Forecast(t.Context(), &contractv1.ForecastRequest{Series: of(metric), Times: []int64{6}, Levels: []float64{0.8}})
	return err
}

func comesBack(t *testing.T, p *host.Plugin) {
	t.Helper()
	isUp(t, p)
	require.Eventually(t, func() bool { return ask(t, p, "fine") == nil }, time.Minute, 20*time.Millisecond)
}

func TestAPluginThatHangsComesBack(t *testing.T) {
	p := run(t, 200*time.Millisecond)
	for range 3 {
		var failed *host.FailedError
		require.ErrorAs(t, ask(t, p, "hang"), &failed)
		assert.True(t, failed.Late)
		assert.ErrorContains(t, failed, "no answer within 200ms (timeout)")
	}
	var down *host.DownError
	require.ErrorAs(t, ask(t, p, "fine"), &down)
	comesBack(t, p)
}

func TestAPluginThatCrashesComesBack(t *testing.T) {
	p := run(t, time.Minute)
	var failed *host.FailedError
	require.ErrorAs(t, ask(t, p, "crash"), &failed)
	assert.True(t, failed.Gone)
	assert.ErrorContains(t, failed, "its process has gone")
	comesBack(t, p)
}
