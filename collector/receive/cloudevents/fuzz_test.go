package cloudevents

import (
	"encoding/json"
	"net/http"
	"testing"
	"unicode/utf8"

	sdk "github.com/cloudevents/sdk-go/v2"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

const fuzzMappings = `
mappings:
  - {match: {type: "m.*"}, event: step, fields: {id: "{data.id}", stepId: ["{data.a.0}", "{$*}"], executionId: "{subject}", status: "{data.s}", duration: "{data.d}", dependsOn: "{data.x}"}}
  - {match: {type: "n*"}, event: activity, fields: {action: "{data}", metadata: "{data.m}", userId: "{ext}-{id}"}}
`

// check asserts what holds of any outcome.
func check(t *testing.T, d *Decoder, out outcome) {
	for i := range out.events {
		require.Nil(t, event.Validate(&out.events[i]))
		require.Equal(t, "acme", out.events[i].Tenant)
		require.LessOrEqual(t, len(out.events[i].ID), event.MaxNameBytes)
	}
	for i := range out.fragments {
		require.Nil(t, event.ValidateFragment(&out.fragments[i]))
	}
	for i, letter := range out.letters {
		require.True(t, json.Valid([]byte(letter)), letter)
		require.NotEmpty(t, out.faults[i].Code)
		require.NotEmpty(t, out.faults[i].Message)
		again := d.structured(letter)
		require.Nil(t, again.refusal)
	}
}

// FuzzBatch decodes any text as one event and as many. What the SDK of Go takes for an
// event is one here.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(envelopeText))
	f.Add([]byte(`[` + envelopeText + `,5,{}]`))
	f.Add([]byte(`{"specversion":"1.0","type":"m.x","source":"s","id":"1","subject":"e","time":"2024-05-31T10:00:00Z","data":{"id":"i","a":["b"],"s":"failed","d":5,"x":["y"]}}`))
	f.Add([]byte(`{"specversion":"1.0","type":"nix","source":"s","id":"1","ext":5,"time":"2024-05-31T10:00:00Z","data":{"m":{"k":null}}}`))
	f.Add([]byte(`{"specversion":"1.0","type":"dev.flowgauge.cost.v1","source":"s","id":"1","time":"2024-05-31T10:00:00Z","datacontenttype":"application/json","data_base64":"eyJjcmVkaXRzIjoxfQ=="}`))
	f.Add([]byte(cdEvent("pipelinerun.finished.0.3.0", "2024-05-31T10:00:00Z", `{"id":"r","content":{"outcome":"success"}}`)))
	d := decoder(f, fuzzMappings)
	f.Fuzz(func(t *testing.T, body []byte) {
		check(t, d, d.batch(string(body)))
		out := d.structured(string(body))
		check(t, d, out)
		if out.refusal != nil {
			require.False(t, json.Valid(body))
			return
		}
		require.Equal(t, 1, len(out.events)+len(out.fragments)+len(out.faults)+out.ignored)
		var theirs sdk.Event
		if !utf8.Valid(body) || json.Unmarshal(body, &theirs) != nil || theirs.Validate() != nil || len(out.faults) == 0 {
			return
		}
		switch fault := out.faults[0]; fault.Field {
		case attrVersion, attrID, attrSource, attrType:
			// The SDK lets pass what the specification does not: other versions, an
			// attribute given twice, control characters, a space in the source.
			require.Contains(t, []event.Code{
				CodeUnsupportedVersion, event.CodeDuplicateField, CodeInvalidAttribute, event.CodeUnknownKind, event.CodeTooLong, event.CodeMissingField,
			}, fault.Code, fault.Message)
		}
	})
}

// FuzzBinary decodes any headers and data.
func FuzzBinary(f *testing.F) {
	f.Add("1.0", "dev.flowgauge.activity.v1", "/crm", "A%20\"1\\\"\"", "2024-05-31T10:00:00Z", "application/json", []byte(`{"action":"a"}`))
	f.Add("1.0", "m.x", "s", "1", "", "text/plain", []byte{0xff})
	d := decoder(f, fuzzMappings)
	f.Fuzz(func(t *testing.T, version, typ, source, id, at, contentType string, data []byte) {
		h := http.Header{}
		for name, value := range map[string]string{
			"Ce-Specversion": version, "Ce-Type": typ, "Ce-Source": source, "Ce-Id": id, "Ce-Time": at, "Ce-Subject": id, "Content-Type": contentType,
		} {
			h[name] = []string{value}
		}
		out := d.headers(h, string(data))
		require.Nil(t, out.refusal)
		require.Equal(t, 1, len(out.events)+len(out.fragments)+len(out.faults)+out.ignored)
		check(t, d, out)
		if text, ok := decodeHeader(id); ok {
			require.True(t, utf8.ValidString(text))
		}
	})
}
