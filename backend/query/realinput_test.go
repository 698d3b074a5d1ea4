package query

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

const realInput = "../../../shared/data"

// loadReal stores a data set, rolls it up and reads its expected totals.
func loadReal(t *testing.T, name string, expected any) *querytest.Store {
	t.Helper()
	file, err := os.Open(filepath.Join(realInput, name, "events.ndjson.gz"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the data set %s is not here: %v", name, err)
		}
		t.Skipf("the data set %s is not here: %v", name, err)
	}
	defer func() { require.NoError(t, file.Close()) }()
	text, err := os.ReadFile(filepath.Join(realInput, name, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, expected))
	unzipped, err := gzip.NewReader(bufio.NewReader(file))
	require.NoError(t, err)
	body, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	s := querytest.New(t)
	var batch []event.Event
	fault := event.Decode(body, event.FormatNDJSON, event.Options{Tenant: "acme"}, func(i int, _ []byte, e *event.Event, fault *event.Error) bool {
		require.Nil(t, fault, "event %d", i)
		kept := *e
		kept.DependsOn = slices.Clone(e.DependsOn) // The decoder uses the array again.
		if batch = append(batch, kept); len(batch) == 50_000 {
			s.Insert(t, batch...)
			batch = batch[:0]
		}
		return true
	})
	require.Nil(t, fault)
	s.Insert(t, batch...)
	s.Settle(t)
	return s
}

func utc(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// one asks for figures of a period as one row.
func one(t *testing.T, e *Engine, r Request) map[string]string {
	t.Helper()
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, 1, res.Frame.Rows())
	return rowsOf(res, nil)[groupKey("", nil)]
}

// by asks for one metric by one dimension or, with a granularity, by time.
func by(t *testing.T, e *Engine, r Request) map[string]string {
	t.Helper()
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	out := map[string]string{}
	for row := range res.Frame.Rows() {
		key := ""
		switch v := res.Frame.Fields[0].At(row).(type) {
		case time.Time:
			key = v.UTC().Format(time.DateOnly)
		case string:
			key = v
		}
		out[key] = textOf(res, res.Frame.Fields[1], row)
	}
	return out
}

func amounts(t *testing.T, in map[string]string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for k, v := range in {
		d, err := event.ParseDecimal([]byte(v))
		require.NoError(t, err, v)
		out[k] = d.String()
	}
	return out
}

func TestFocusEqualsItsTotals(t *testing.T) {
	var want struct {
		Dollars  string            `json:"dollars"`
		ByAction map[string]string `json:"dollars_by_action"`
		ByDay    map[string]string `json:"dollars_by_day"`
	}
	s := loadReal(t, "focus", &want)
	e := newSettled(t, s, utc(2026, 1, 1), Limits{})
	r := Request{Metrics: []string{"dollars"}, From: utc(2024, 8, 15), To: utc(2024, 10, 15)}
	require.Equal(t, amounts(t, map[string]string{"dollars": want.Dollars}), one(t, e, r))
	r.GroupBy = []string{"action_type"}
	require.Equal(t, amounts(t, want.ByAction), by(t, e, r))
	r.GroupBy, r.Granularity = nil, Day
	require.Equal(t, amounts(t, want.ByDay), by(t, e, r))
}

func TestEcomEqualsItsTotals(t *testing.T) {
	var want struct {
		ByAction map[string]float64 `json:"by_action"`
		Events   map[string]float64 `json:"events"`
		MAU      map[string]float64 `json:"mau"`
		Seconds  float64            `json:"session_duration_s_sum"`
		Sessions float64            `json:"sessions"`
		Users    float64            `json:"users"`
	}
	s := loadReal(t, "ecom", &want)
	e := newSettled(t, s, utc(2026, 1, 1), Limits{})
	r := Request{Metrics: []string{"actions", "active_users", "sessions", "active_time"}, From: utc(2024, 1, 1), To: utc(2024, 8, 1)}
	require.Equal(t, map[string]string{
		"actions": number(want.Events["activity"]), "active_users": number(want.Users),
		"sessions": number(want.Sessions), "active_time": number(want.Seconds * 1000),
	}, one(t, e, r))
	r.Metrics, r.GroupBy = []string{"actions"}, []string{"action"}
	require.Equal(t, numbers(want.ByAction), by(t, e, r))
	hours, total := r, 0.0
	hours.GroupBy, hours.TimeZone = []string{"hour_of_day"}, "Asia/Kathmandu"
	for _, n := range by(t, e, hours) {
		count, err := strconv.ParseFloat(n, 64)
		require.NoError(t, err)
		total += count
	}
	require.InDelta(t, want.Events["activity"], total, 0)
	rolling := one(t, e, Request{Metrics: []string{"active_users_28d"}, From: utc(2024, 4, 1), To: utc(2024, 4, 29)})
	plain := one(t, e, Request{Metrics: []string{"active_users"}, From: utc(2024, 4, 1), To: utc(2024, 4, 29)})
	require.Equal(t, plain["active_users"], rolling["active_users_28d"])
	r.Metrics, r.GroupBy, r.Granularity = []string{"active_users"}, nil, Month
	mau := by(t, e, r)
	for month, n := range want.MAU {
		require.Equal(t, number(n), mau[month+"-01"])
	}
	require.Len(t, mau, len(want.MAU))
}

func numbers(in map[string]float64) map[string]string {
	out := map[string]string{}
	for k, v := range in {
		out[k] = number(v)
	}
	return out
}

func TestNextflowEqualsItsTotals(t *testing.T) {
	var want struct {
		Input     float64 `json:"input_bytes"`
		Output    float64 `json:"output_bytes"`
		Workflows map[string]struct {
			Duration float64 `json:"step_duration_ms_sum"`
			Steps    float64 `json:"steps"`
		} `json:"workflows"`
	}
	s := loadReal(t, "nextflow", &want)
	e := newSettled(t, s, utc(2026, 1, 1), Limits{})
	r := Request{Metrics: []string{"step_input_bytes", "step_output_bytes"}, From: utc(2020, 1, 1), To: utc(2025, 12, 31)}
	require.Equal(t, map[string]string{"step_input_bytes": number(want.Input), "step_output_bytes": number(want.Output)}, one(t, e, r))
	durations, counts := map[string]float64{}, map[string]float64{}
	for name, w := range want.Workflows {
		durations[name], counts[name] = w.Duration, w.Steps
	}
	r.GroupBy = []string{"workflow"}
	r.Metrics = []string{"step_duration_sum"}
	require.Equal(t, numbers(durations), by(t, e, r))
	r.Metrics = []string{"steps"}
	require.Equal(t, numbers(counts), by(t, e, r))
}
