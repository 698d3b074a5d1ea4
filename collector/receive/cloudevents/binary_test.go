package cloudevents

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

func itoa(n int) string { return strconv.Itoa(n) }

func attributes(more ...string) http.Header {
	h := http.Header{}
	for i, all := 0, append([]string{
		"ce-specversion", "1.0", "ce-type", "dev.flowgauge.activity.v1", "ce-source", "/crm", "ce-id", "A-1", "ce-time", "2024-05-31T10:00:00Z",
		"Content-Type", "application/json", "Accept", "*/*",
	}, more...); i < len(all); i += 2 {
		if h.Del(all[i]); all[i+1] != "" {
			h.Set(all[i], all[i+1])
		}
	}
	return h
}

// What the specification says of the binary mode, a line for each.
func TestBinary(t *testing.T) {
	d := decoder(t, "")
	const data = `{"action":"login"}`
	for name, tc := range map[string]struct {
		header http.Header
		body   string
		id     string // of the event, else:
		code   event.Code
		field  string
	}{
		"as it is":              {attributes(), data, "/crm A-1", "", ""},
		"no content type":       {attributes("Content-Type", ""), data, "/crm A-1", "", ""},
		"extensions":            {attributes("ce-ext1", "é", "ce-ext2", "5"), data, "/crm A-1", "", ""},
		"percent-encoded":       {attributes("ce-id", "Euro%20%E2%82%AC%20%f0%9f%98%80"), data, "/crm Euro € 😀", "", ""},
		"needlessly so":         {attributes("ce-id", "%41%2D1"), data, "/crm A-1", "", ""},
		"once only":             {attributes("ce-id", "%2541"), data, "/crm %41", "", ""},
		"a URI":                 {attributes("ce-source", "https://a/b%2520c"), data, "https://a/b%20c A-1", "", ""},
		"a URI, not encoded":    {attributes("ce-source", "https://a/b%20c"), data, "https://a/b%20c A-1", "", ""},
		"what encodes nothing":  {attributes("ce-id", "100%, 5%zz %4"), data, "/crm 100%, 5%zz %4", "", ""},
		"quoted":                {attributes("ce-id", `"A \"1\" \\ %20"`), data, `/crm A "1" \  `, "", ""},
		"overlong":              {attributes("ce-id", "%C0%A0"), data, "", CodeInvalidAttribute, "id"},
		"half a character":      {attributes("ce-id", "%E2%82"), data, "", CodeInvalidAttribute, "id"},
		"control character":     {attributes("ce-id", "a%0Ab"), data, "", CodeInvalidAttribute, "id"},
		"no version":            {attributes("ce-specversion", ""), data, "", event.CodeMissingField, "specversion"},
		"no id":                 {attributes("ce-id", ""), data, "", event.CodeMissingField, "id"},
		"twice":                 {http.Header{"Ce-Id": {"a", "b"}, "Ce-Type": {"t"}}, data, "", event.CodeDuplicateField, "id"},
		"datacontenttype":       {attributes("ce-datacontenttype", "application/json"), data, "", CodeInvalidAttribute, "datacontenttype"},
		"another content":       {attributes("Content-Type", "text/xml"), "<a/>", "", CodeUnsupportedData, "datacontenttype"},
		"no JSON":               {attributes(), `{"action":`, "", event.CodeMalformedJSON, "data"},
		"an array":              {attributes(), "[" + data + "]", "", event.CodeNotAnObject, "data"},
		"no data":               {attributes(), "", "", event.CodeMissingField, "action"},
		"a field that is wrong": {attributes(), `{"action":5}`, "", event.CodeWrongType, "action"},
	} {
		t.Run(name, func(t *testing.T) {
			out := d.headers(tc.header, tc.body)
			require.Nil(t, out.refusal)
			if tc.code == "" {
				require.Empty(t, out.faults)
				source, _, _ := strings.Cut(tc.id, " ")
				require.Equal(t, []event.Event{a(event.Event{ID: tc.id, Source: source, Time: at})}, out.events)
				return
			}
			require.Len(t, out.faults, 1)
			require.Equal(t, string(tc.code)+" "+tc.field, string(out.faults[0].Code)+" "+out.faults[0].Field)
			// The dead letter is the event in the JSON format, and fails for the same
			// reason unless that lay in the headers.
			again := d.structured(out.letters[0])
			require.Nil(t, again.refusal, out.letters[0])
			if tc.code != CodeInvalidAttribute && tc.code != event.CodeDuplicateField {
				require.Equal(t, out.faults[0].Code, again.faults[0].Code)
			}
		})
	}
	letter := d.headers(attributes("Content-Type", "text/xml"), "<a/>").letters[0]
	require.JSONEq(t, `{"specversion":"1.0","type":"dev.flowgauge.activity.v1","source":"/crm","id":"A-1","time":"2024-05-31T10:00:00Z","datacontenttype":"text/xml","data_base64":"PGEvPg=="}`, letter)
	require.Contains(t, d.headers(attributes("ce-type", "x"), data).letters[0], `"data":`+data)
	require.NotContains(t, letter, "Accept")
}
