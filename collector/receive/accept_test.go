package receive

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

func TestAccepted(t *testing.T) {
	c := start(t, Limits{}, nil)
	lines := good + "\n" + good2 + "\n"
	for name, tc := range map[string]struct {
		body    string
		headers []string
		events  int
	}{
		"object":          {good, []string{"Content-Type", "application/json"}, 1},
		"no content type": {"[" + good + "," + good2 + "]", nil, 2},
		"charset":         {good, []string{"Content-Type", `application/json; charset="UTF-8"`}, 1},
		"lines":           {lines, []string{"Content-Type", ndjson}, 2},
		"identity":        {lines, []string{"Content-Type", ndjson, "Content-Encoding", "identity"}, 2},
		"gzip":            {string(gzipped(t, lines)), []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 2},
		"zstd":            {string(zstded(t, lines)), []string{"Content-Type", ndjson, "Content-Encoding", "zstd"}, 2},
		"two members":     {string(append(gzipped(t, good+"\n"), gzipped(t, good2)...)), []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.post(strings.NewReader(tc.body), tc.headers...)
			require.Equal(t, http.StatusAccepted, a.status, a.body)
			require.JSONEq(t, fmt.Sprintf(`{"accepted":%d,"duplicates":0,"errors":[]}`, tc.events), a.body)
			events, letters := c.stored()
			require.Len(t, events, tc.events)
			require.Empty(t, letters)
			require.Equal(t, "a1", events[0].ID)
			require.Equal(t, "acme", events[0].Tenant)
		})
	}
}

func TestSomeAreBad(t *testing.T) {
	c := start(t, Limits{}, nil)
	again := strings.Replace(good, "login", "logout", 1)
	body := strings.Join([]string{good, bad, "3", "{", good2, again, other}, "\n")
	a := c.post(strings.NewReader(body), "Content-Type", ndjson)
	require.Equal(t, http.StatusMultiStatus, a.status)
	require.Equal(t, 2, a.Accepted)
	require.Equal(t, 1, a.Duplicates)
	require.Zero(t, a.ErrorsOmitted)
	var got []string
	for _, e := range a.Errors {
		require.NotEmpty(t, e.Message)
		got = append(got, fmt.Sprintf("%d %s %s %s", e.Index, e.ID, e.Code, e.Field))
	}
	require.Equal(t, []string{
		"1 a3 invalid_time timestamp", "2  not_an_object ", "3  malformed_json ", "6 a4 tenant_mismatch tenantId",
	}, got)

	events, letters := c.stored()
	require.Len(t, events, 2)
	require.Equal(t, "a2", events[0].ID)
	require.Equal(t, "a1", events[1].ID)
	require.Equal(t, "logout", events[1].Action, "the one received last stands")
	require.Len(t, letters, 4)
	require.Equal(t, event.DeadLetter{
		Tenant: "acme", Source: "crm", Kind: event.KindActivity, KeyID: "k1", Path: Path, ContentType: ndjson, Index: 1,
		Code: event.CodeInvalidTime, Field: "timestamp", Message: a.Errors[0].Message, Payload: []byte(bad),
	}, letters[0])
	require.JSONEq(t, other, string(letters[3].Payload))

	require.Equal(t, map[string]float64{
		"flowgauge_receive_requests_total 207":              1,
		"flowgauge_receive_events_total activity accepted":  2,
		"flowgauge_receive_events_total activity duplicate": 1,
		"flowgauge_receive_events_total activity rejected":  2,
		"flowgauge_receive_events_total unknown rejected":   2,
		"flowgauge_receive_append_seconds":                  1,
		"flowgauge_receive_body_bytes_total packed":         float64(len(body)),
		"flowgauge_receive_body_bytes_total unpacked":       float64(len(body)),
	}, c.metrics())
}

// metrics returns the metrics that are not 0, by name and labels.
func (c *collector) metrics() map[string]float64 {
	c.t.Helper()
	families, err := c.registry.Gather()
	require.NoError(c.t, err)
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()); v != 0 {
				out[name] = v
			}
		}
	}
	return out
}

func TestCrossTenant(t *testing.T) {
	c := start(t, Limits{}, nil)
	a := c.post(strings.NewReader(other), "Authorization", "Bearer all")
	require.Equal(t, http.StatusAccepted, a.status)
	events, _ := c.stored()
	require.Equal(t, "other", events[0].Tenant)
}

func TestNoneIsUsable(t *testing.T) {
	c := start(t, Limits{}, nil)
	a := c.post(strings.NewReader("[" + bad + "," + other + "]"))
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Equal(t, "no_usable_event", string(a.Code))
	require.Len(t, a.Errors, 2)
	require.Zero(t, a.Accepted)
	events, letters := c.stored()
	require.Empty(t, events)
	require.Len(t, letters, 2)
}

// What cannot be taken apart is one dead letter.
func TestBrokenDocument(t *testing.T) {
	c := start(t, Limits{}, nil)
	for _, body := range []string{"[" + good + "," + bad + "," + good[:20], "{", good + good2, "[" + good + ",]"} {
		a := c.post(strings.NewReader(body))
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, event.CodeMalformedJSON, a.Code)
		require.Empty(t, a.Errors)
		require.Zero(t, a.Accepted+a.Duplicates)
		events, letters := c.stored()
		require.Empty(t, events)
		require.Len(t, letters, 1)
		require.Equal(t, int64(-1), letters[0].Index)
		require.Equal(t, body, string(letters[0].Payload))
		require.False(t, letters[0].Truncated)
	}
	body := "[" + strings.Repeat(good+",", 2000)
	require.Equal(t, event.CodeMalformedJSON, c.post(strings.NewReader(body)).Code)
	_, letters := c.stored()
	require.Len(t, letters, 1)
	require.True(t, letters[0].Truncated)
	require.Equal(t, body[:event.MaxDeadLetterPayload], string(letters[0].Payload))
}

func TestErrorsAreCounted(t *testing.T) {
	c := start(t, Limits{}, nil)
	a := c.post(strings.NewReader(good+"\n"+strings.Repeat("{}\n", maxErrors+5)), "Content-Type", ndjson)
	require.Equal(t, http.StatusMultiStatus, a.status)
	require.Len(t, a.Errors, maxErrors)
	require.Equal(t, 5, a.ErrorsOmitted)
	_, letters := c.stored()
	require.Len(t, letters, maxErrors+5)
}
