package otlp

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/flowgauge/flowgauge/backend/event"
)

var idField = regexp.MustCompile(`("(?:traceId|spanId|parentSpanId)":\s*")([^"]*)"`)

// otlpJSON is OTLP's JSON of a request: protobuf's, with ids in hex and enums as numbers.
func otlpJSON(t testing.TB, r *collector.ExportTraceServiceRequest) []byte {
	t.Helper()
	b, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(r)
	require.NoError(t, err)
	return idField.ReplaceAllFunc(b, func(field []byte) []byte {
		m := idField.FindSubmatch(field)
		id, err := base64.StdEncoding.DecodeString(string(m[2]))
		require.NoError(t, err)
		return []byte(string(m[1]) + strings.ToUpper(unhexed(id)) + `"`)
	})
}

func unhexed(id []byte) string {
	var out strings.Builder
	for _, c := range id {
		out.WriteString(strconv.FormatUint(uint64(c)|0x100, 16)[1:])
	}
	return out.String()
}

// Both encodings of a request become the same events.
func TestJSONIsTheSame(t *testing.T) {
	p := mapper(t, "")
	r := request(
		exception(failed(aSpan("work", "flowgauge.kind", "execution", "a", "é\"\\\n\U0001f600", "b", 1<<60, "c", -1, "d", 1.5, "e", true, "f", []byte{255, 0},
			"g", []any{1, "x", attrs("k", []any{}), nil}, "h", attrs("k", "v", "l", attrs()), "i", ""), "m\u2028"), "T", "E"),
		aSpan("work", "flowgauge.kind", "step", "flowgauge.dependsOn", []any{"a", "b"}),
		aSpan("other"),
		aSpan("", "flowgauge.kind", "step"),
	)
	r.ResourceSpans = append(r.ResourceSpans, request(aSpan("node.execute", "n8n.node.name", "n")).ResourceSpans...)
	want := p.decode(mediaProtobuf, marshal(t, r))
	require.Len(t, want.events, 4)
	got := p.decode(mediaJSON, otlpJSON(t, r))
	require.Nil(t, got.refusal)
	require.Equal(t, want.events, got.events)
	require.Equal(t, want.faults, got.faults)

	// A dead letter can be sent again as it is.
	require.Len(t, got.letters, 1)
	again := p.decode(mediaJSON, got.letters[0])
	require.Equal(t, got.faults, again.faults)
	require.JSONEq(t, string(got.letters[0]), string(again.letters[0]))
	require.Contains(t, string(got.letters[0]), `"billing"`)
}

// The example of opentelemetry-proto, and what the specification says of JSON.
func TestJSONEncoding(t *testing.T) {
	p := mapper(t, "mappings: [{event: step, match: {span: I'm a server span, kind: server, scope: my.library}, fields: {userId: '{my.span.attr}'}}]")
	const example = `{
  "resourceSpans": [{
      "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
      "scopeSpans": [{
          "scope": {"name": "my.library", "version": "1.0.0", "attributes": [{"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}]},
          "spans": [{
              "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "parentSpanId": "EEE19B7EC3C1B173",
              "name": "I'm a server span", "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000", "kind": 2,
              "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}]
            }]
        }]
    }]
}`
	const times = `"startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"`
	want := event.Event{
		Kind: event.KindStep, Status: event.StatusCompleted, Tenant: "acme", Source: "my.service", UserID: "some value",
		ID: "5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174", ExecutionID: "5b8efff798038103d269b633813fc60c", StepID: "I'm a server span",
		Time: 1544712660000, EndTime: 1544712661000, Duration: 1000, PreviousTime: event.NoTime, QueuedTime: event.NoTime,
	}
	for name, tc := range map[string]struct{ old, new, refused string }{
		"as it is":             {},
		"lower case ids":       {old: "5B8EFFF798038103D269B633813FC60C", new: "5b8efff798038103d269b633813fc60c"},
		"numbers":              {old: times, new: `"startTimeUnixNano": 1544712660000000000, "endTimeUnixNano": 1.544712661e18`},
		"unknown fields":       {old: `"spans": [{`, new: `"what": {"a": [1, {"b": null}]}, "spans": [{"links": [{"traceId": 5}], "x": "y", `},
		"snake case":           {old: `"parentSpanId"`, new: `"kind_": 3, "parent_span_id": 4, "parentSpanId"`},
		"null":                 {old: `"name": "I'm`, new: `"events": null, "status": null, "droppedAttributesCount": null, "name": "I'm`},
		"spans before scope":   {old: `"scope": {"name": "my.library"`, new: `"scop": 1, "sc\u006fpe": {"name": "my.library"`},
		"empty lists":          {old: `"resourceSpans": [{`, new: `"resourceSpans": [{}, {"scopeSpans": [{}, {"spans": []}]}, {"scopeSpans": null}, {`},
		"no hex":               {old: "5B8E", new: "5B8X", refused: "traceId must be hexadecimal digits"},
		"enum by name":         {old: `"kind": 2`, new: `"kind": "SPAN_KIND_SERVER"`, refused: "kind must be a whole number"},
		"time with a fraction": {old: `"1544712660000000000"`, new: `"1544712660000000000.5"`, refused: "startTimeUnixNano must be a whole number"},
		"negative time":        {old: `"1544712660000000000"`, new: `-1`, refused: "startTimeUnixNano must be a whole number"},
		"name that is none":    {old: `"I'm a server span"`, new: `5`, refused: "name must be a string"},
		"attributes":           {old: `"attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}]`, new: `"attributes": {}`, refused: "attributes must be an array"},
		"attribute":            {old: `{"key": "my.span.attr", "value": {"stringValue": "some value"}}`, new: `7`, refused: "attributes must be an object"},
		"bool":                 {old: `{"stringValue": "some value"}`, new: `{"boolValue": 1}`, refused: "boolValue must be true or false"},
		"double":               {old: `{"stringValue": "some value"}`, new: `{"doubleValue": "x"}`, refused: "doubleValue must be a number"},
		"bytes":                {old: `{"stringValue": "some value"}`, new: `{"bytesValue": "!"}`, refused: "bytesValue must be base64"},
		"spans":                {old: `"spans": [`, new: `"spans": 1, "s": [`, refused: "spans must be an array"},
		"span":                 {old: `"spans": [`, new: `"spans": [1, `, refused: "a span must be an object"},
		"scope":                {old: `"scopeSpans": [`, new: `"scopeSpans": [[], `, refused: "what has spans must be an object"},
		"resource":             {old: `"resource": {`, new: `"resource": 7, "r": {`, refused: "a resource must be an object"},
		"no object":            {old: example, new: `[]`, refused: "a request is a JSON object"},
		"no JSON":              {old: `"kind": 2`, new: `"kind": `, refused: "the body is not JSON: invalid character"},
		"empty":                {old: example, refused: "the body is not JSON: unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(example, tc.old, tc.new, 1)
			out := p.decode(mediaJSON, []byte(body))
			if tc.refused != "" {
				require.NotNil(t, out.refusal)
				require.Contains(t, out.refusal.Detail, tc.refused)
				require.Equal(t, 400, out.refusal.Status)
				require.True(t, out.refusal.Keep)
				return
			}
			require.Nil(t, out.refusal)
			require.Empty(t, out.faults)
			require.Equal(t, []event.Event{want}, out.events)
		})
	}
}

func TestJSONValues(t *testing.T) {
	p := mapper(t, "")
	for value, want := range map[string]string{
		`{"intValue":"-9223372036854775808"}`: `-9223372036854775808`, `{"intValue":42}`: `42`, `{"intValue":1e3}`: `1000`,
		`{"doubleValue":"NaN"}`: `"NaN"`, `{"doubleValue":"-Infinity"}`: `"-Inf"`, `{"doubleValue":1.5}`: `1.5`,
		`{"bytesValue":"-_8"}`: `"+/8="`, `{"bytesValue":""}`: `""`, `{}`: `null`, `null`: `null`, `{"boolValue":false}`: `false`,
		`{"arrayValue":{}}`: `[]`, `{"arrayValue":{"values":[null,{"intValue":"1"}]}}`: `[1]`, `{"kvlistValue":{"values":[{"key":"a"}]}}`: `{"a":null}`,
	} {
		body := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"` + traceHex + `","spanId":"` + spanHex + `","name":"n","startTimeUnixNano":1,"endTimeUnixNano":2,
			"attributes":[{"key":"flowgauge.kind","value":{"stringValue":"execution"}},{"key":"x","value":` + value + `}]}]}]}]}`
		out := p.decode(mediaJSON, []byte(body))
		require.Nil(t, out.refusal, value)
		require.Len(t, out.events, 2, value)
		var got map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(out.events[0].Metadata), &got))
		require.Equal(t, want, string(got["x"]), value)
	}
}

// Values in values end somewhere.
func TestJSONDepth(t *testing.T) {
	p := mapper(t, "")
	const levels = 3000
	value := strings.Repeat(`{"arrayValue":{"values":[`, levels) + `{"stringValue":"x"}` + strings.Repeat(`]}}`, levels)
	out := p.decode(mediaJSON, []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":`+value+`}]}]}]}]}`))
	require.Nil(t, out.refusal)
}
