package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// read reads an answer in the encoding that it says it has.
func read(t testing.TB, res *http.Response, body []byte, into proto.Message) {
	t.Helper()
	if res.Header.Get("Content-Type") == mediaProtobuf {
		require.NoError(t, proto.Unmarshal(body, into))
		return
	}
	require.Contains(t, encodings, res.Header.Get("Content-Type"))
	require.NoError(t, protojson.Unmarshal(body, into), string(body))
}

var encodings = []string{mediaProtobuf, mediaJSON}

func encoded(t testing.TB, contentType string, r *collector.ExportTraceServiceRequest) []byte {
	t.Helper()
	if contentType == mediaJSON {
		return otlpJSON(t, r)
	}
	return marshal(t, r)
}

func TestSuccess(t *testing.T) {
	e := serve(t, "", nil, receive.Limits{})
	good, other := aSpan("work", "flowgauge.kind", "step"), aSpan("other")
	for _, contentType := range encodings {
		for _, path := range Paths {
			for n, r := range []*collector.ExportTraceServiceRequest{{}, request(), request(other), request(good, other)} {
				body := encoded(t, contentType, r)
				res, answer := e.post(path, contentType, body)
				require.Equal(t, http.StatusOK, res.StatusCode, string(answer))
				require.Equal(t, contentType, res.Header.Get("Content-Type"))
				var got collector.ExportTraceServiceResponse
				read(t, res, answer, &got)
				require.Nil(t, got.PartialSuccess, "spans that are nobody's are no partial success")
				events, letters := e.stored()
				require.Len(t, events, n/3)
				require.Empty(t, letters)
				var packed bytes.Buffer
				w := gzip.NewWriter(&packed)
				_, err := w.Write(body)
				require.NoError(t, err)
				require.NoError(t, w.Close())
				if len(body) > 0 {
					res, answer = e.post(path, contentType, packed.Bytes(), "Content-Encoding", "gzip")
					require.Equal(t, http.StatusOK, res.StatusCode, string(answer))
					events, _ = e.stored()
					require.Len(t, events, n/3)
				}
			}
		}
	}
	require.Equal(t, 8, e.spans("mapped"))
	require.Equal(t, 16, e.spans("ignored"))
	require.Zero(t, e.spans("rejected"))
}

func (e *endpoint) spans(outcome string) int {
	e.t.Helper()
	families, err := e.registry.Gather()
	require.NoError(e.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "flowgauge_otlp_spans_total" && m.GetLabel()[0].GetValue() == outcome {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return -1
}

func TestPartialSuccess(t *testing.T) {
	e := serve(t, "", nil, receive.Limits{})
	good, other, bad := aSpan("work", "flowgauge.kind", "step"), aSpan("other"), aSpan("", "flowgauge.kind", "step")
	costly := aSpan("work", "flowgauge.kind", "step", "flowgauge.credits", "x")
	for _, contentType := range encodings {
		for _, tc := range []struct {
			request  *collector.ExportTraceServiceRequest
			rejected int64
			events   int
		}{
			{request(other, bad, good, costly), 2, 1},
			{request(other, bad), 1, 0}, // none is usable
		} {
			res, answer := e.post(Paths[0], contentType, encoded(t, contentType, tc.request))
			require.Equal(t, http.StatusOK, res.StatusCode, string(answer))
			require.Equal(t, contentType, res.Header.Get("Content-Type"))
			var got collector.ExportTraceServiceResponse
			read(t, res, answer, &got)
			require.Equal(t, tc.rejected, got.GetPartialSuccess().GetRejectedSpans())
			require.Contains(t, got.PartialSuccess.ErrorMessage, ownID)
			require.Contains(t, got.PartialSuccess.ErrorMessage, "at position 1: missing_field: a step needs the field")
			events, letters := e.stored()
			require.Len(t, events, tc.events)
			require.Len(t, letters, int(tc.rejected))
			require.Equal(t, contentType, letters[0].ContentType)
			require.Equal(t, int64(1), letters[0].Index)
			require.Equal(t, "k", letters[0].KeyID)
		}
	}
	require.Equal(t, 6, e.spans("rejected"))
}

type refusing struct{ err error }

func (r refusing) Append(context.Context, [][]byte) error { return r.err }

func TestFailures(t *testing.T) {
	body := marshal(t, request(aSpan("work", "flowgauge.kind", "step"), aSpan("work", "flowgauge.kind", "step"), aSpan("work", "flowgauge.kind", "step")))
	for name, tc := range map[string]struct {
		queue   error
		limits  receive.Limits
		body    []byte
		headers []string
		status  int
		text    string
		json    bool // the answer, whatever was sent
	}{
		"no key":           {headers: []string{"Authorization", ""}, status: 401, text: "unauthenticated: "},
		"no type":          {headers: []string{"Content-Type", ""}, status: 415, text: "unsupported_media_type: ", json: true},
		"another type":     {headers: []string{"Content-Type", "text/plain"}, status: 415, text: "unsupported_media_type: ", json: true},
		"another encoding": {headers: []string{"Content-Encoding", "br"}, status: 415, text: "unsupported_encoding: "},
		"too large":        {limits: receive.Limits{BodyBytes: 100, PackedBytes: 100}, status: 413, text: "body_too_large: "},
		"too many":         {limits: receive.Limits{Events: 2}, status: 413, text: "too_many_events: the spans are more than 2 events"},
		"no protobuf":      {body: body[:len(body)-1], status: 400, text: "malformed_protobuf: "},
		"full":             {queue: fmt.Errorf("x: %w", queue.ErrFull), status: 503, text: "log_full: "},
		"broken":           {queue: errors.New("x"), status: 503, text: "log_unavailable: "},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.body == nil {
				tc.body = body
			}
			e := serve(t, "", refusing{tc.queue}, tc.limits)
			res, answer := e.post(Paths[0], mediaProtobuf, tc.body, tc.headers...)
			require.Equal(t, tc.status, res.StatusCode, string(answer))
			require.Equal(t, tc.json, res.Header.Get("Content-Type") == mediaJSON)
			var got status.Status
			read(t, res, answer, &got)
			require.Contains(t, got.Message, tc.text)
			require.NotZero(t, got.Code)
			require.Equal(t, tc.status == 503, res.Header.Get("Retry-After") != "")
			if tc.status == 400 {
				var violations errdetails.BadRequest
				require.NoError(t, got.Details[0].UnmarshalTo(&violations))
				require.Len(t, violations.FieldViolations, 1)
				require.NotEmpty(t, violations.FieldViolations[0].Description)
			} else {
				require.Empty(t, got.Details)
			}
		})
	}
	e := serve(t, "", nil, receive.Limits{})
	res, answer := e.post(Paths[0], mediaJSON, []byte(`{"resourceSpans":5}`))
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	var got status.Status
	read(t, res, answer, &got)
	var violations errdetails.BadRequest
	require.NoError(t, got.Details[0].UnmarshalTo(&violations))
	require.Equal(t, "resourceSpans", violations.FieldViolations[0].Field)
	_, letters := e.stored()
	require.Len(t, letters, 1, "what cannot be read is kept")
	require.Equal(t, int64(-1), letters[0].Index)
}
