package cloudevents

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

const envelopeText = `{"specversion":"1.0","type":"dev.flowgauge.activity.v1","source":"/crm","id":"A-1","time":"2024-05-31T12:00:00+02:00","datacontenttype":"application/json","data":{"action":"login"}}`

// What the specification says of the JSON format, a line for each.
func TestStructured(t *testing.T) {
	plain := a(event.Event{ID: "/crm A-1", Time: at})
	with := func(do func(*event.Event)) *event.Event {
		e := plain
		do(&e)
		return &e
	}
	base64Data := base64.StdEncoding.EncodeToString([]byte(`{"action":"login"}`))
	d := decoder(t, "")
	for name, tc := range map[string]struct {
		old, new string
		want     *event.Event // else:
		code     event.Code
		field    string
	}{
		"as it is":                  {want: &plain},
		"white space around":        {old: `{"specversion"`, new: " \n{ \"specversion\"", want: &plain},
		"no content type is JSON":   {old: `"datacontenttype":"application/json",`, want: &plain},
		"content type's case":       {old: `application/json`, new: `Application/JSON; CharSet=UTF-8`, want: &plain},
		"a kind of JSON":            {old: `application/json`, new: `application/vnd.acme+json`, want: &plain},
		"null is unset":             {old: `"id"`, new: `"subject":null,"dataschema":null,"data_base64":null,"id"`, want: &plain},
		"extensions":                {old: `"id"`, new: `"traceparent":"00-x","sequence":5,"urgent":true,"id"`, want: &plain},
		"escaped names":             {old: `"id"`, new: `"i\u0064"`, want: &plain},
		"base64":                    {old: `"data":{"action":"login"}`, new: `"data_base64":"` + base64Data + `"`, want: &plain},
		"own id":                    {old: `{"action"`, new: `{"id":"mine","action"`, want: with(func(e *event.Event) { e.ID = "mine" })},
		"own source":                {old: `{"action"`, new: `{"source":"mine","action"`, want: with(func(e *event.Event) { e.Source = "mine" })},
		"own time":                  {old: `{"action"`, new: `{"timestamp":"2024-05-31T10:00:01Z","action"`, want: with(func(e *event.Event) { e.Time += 1000 })},
		"own kind":                  {old: `{"action"`, new: `{"kind":"activity","action"`, want: &plain},
		"empty is absent":           {old: `{"action"`, new: `{"id":"","source":null,"timestamp":"","kind":null,"action"`, want: &plain},
		"other fields":              {old: `{"action"`, new: `{"userId":"é\n","metadata":{"id":"x"},"action"`, want: with(func(e *event.Event) { e.UserID, e.Metadata = "é\n", `{"id":"x"}` })},
		"id and source are escaped": {old: `"A-1"`, new: `"A\"\\é"`, want: with(func(e *event.Event) { e.ID = `/crm A"\é` })},
		"absolute source": {old: `"/crm"`, new: `"https://acme.example/crm?x#y"`, want: with(func(e *event.Event) {
			e.Source, e.ID = "https://acme.example/crm?x#y", "https://acme.example/crm?x#y A-1"
		})},
		"no specversion":              {old: `"specversion":"1.0",`, code: event.CodeMissingField, field: "specversion"},
		"older specversion":           {old: `"1.0"`, new: `"0.3"`, code: CodeUnsupportedVersion, field: "specversion"},
		"no type":                     {old: `"type"`, new: `"typ"`, code: event.CodeMissingField, field: "type"},
		"empty id":                    {old: `"A-1"`, new: `""`, code: event.CodeMissingField, field: "id"},
		"null source":                 {old: `"/crm"`, new: `null`, code: event.CodeMissingField, field: "source"},
		"id that is a number":         {old: `"A-1"`, new: `7`, code: event.CodeWrongType, field: "id"},
		"attribute that is an object": {old: `"A-1"`, new: `"A-1","ext":{}`, code: event.CodeWrongType, field: "ext"},
		"control character":           {old: `"A-1"`, new: `"A\n1"`, code: CodeInvalidAttribute, field: "id"},
		"source with a space":         {old: `"/crm"`, new: `"/c rm"`, code: CodeInvalidAttribute, field: "source"},
		"source that is none":         {old: `"/crm"`, new: `"%zz"`, code: CodeInvalidAttribute, field: "source"},
		"attribute twice":             {old: `"id"`, new: `"id":"x","id"`, code: event.CodeDuplicateField, field: "id"},
		"many attributes":             {old: `"id"`, new: manyAttributes() + `"id"`, code: event.CodeTooMany, field: "ext125"},
		"both data":                   {old: `"data":`, new: `"data_base64":"e30=","data":`, code: event.CodeDuplicateField, field: "data"},
		"data twice":                  {old: `"data":`, new: `"data":1,"data":`, code: event.CodeDuplicateField, field: "data"},
		"no JSON":                     {old: `application/json`, new: `application/xml`, code: CodeUnsupportedData, field: "datacontenttype"},
		"JSON in Latin 1":             {old: `application/json`, new: `application/json; charset=latin1`, code: CodeUnsupportedData, field: "datacontenttype"},
		"content type that is none":   {old: `application/json`, new: `;;`, code: CodeUnsupportedData, field: "datacontenttype"},
		"base64 of anything":          {old: `"datacontenttype":"application/json","data":{"action":"login"}`, new: `"data_base64":"` + base64Data + `"`, code: CodeUnsupportedData, field: "datacontenttype"},
		"no base64":                   {old: `"data":{"action":"login"}`, new: `"data_base64":"%"`, code: CodeInvalidAttribute, field: "data_base64"},
		"base64 that is a number":     {old: `"data":{"action":"login"}`, new: `"data_base64":5`, code: event.CodeWrongType, field: "data_base64"},
		"base64 of no JSON":           {old: `"data":{"action":"login"}`, new: `"data_base64":"eyI="`, code: event.CodeMalformedJSON, field: "data"},
		"JSON in a string":            {old: `{"action":"login"}`, new: `"{\"action\":\"login\"}"`, code: event.CodeNotAnObject, field: "data"},
		"data is null":                {old: `{"action":"login"}`, new: `null`, code: event.CodeNotAnObject, field: "data"},
		"data is an array":            {old: `{"action":"login"}`, new: `[{"kind":"activity","id":"x","action":"y","timestamp":"2024-05-31T10:00:00Z"}]`, code: event.CodeNotAnObject, field: "data"},
		"no data":                     {old: `,"data":{"action":"login"}`, code: event.CodeMissingField, field: "action"},
		"no time anywhere":            {old: `"time":"2024-05-31T12:00:00+02:00",`, code: event.CodeMissingField, field: "timestamp"},
		"time that is none":           {old: `2024-05-31T12`, new: `2024-05-31 12`, code: event.CodeInvalidTime, field: "timestamp"},
		"another kind":                {old: `{"action"`, new: `{"kind":"cost","action"`, code: event.CodeUnknownKind, field: "kind"},
		"unknown field":               {old: `{"action"`, new: `{"colour":"red","action"`, code: event.CodeUnknownField, field: "colour"},
		"another tenant":              {old: `{"action"`, new: `{"tenantId":"x","action"`, code: event.CodeTenantMismatch, field: "tenantId"},
		"unknown type":                {old: `dev.flowgauge.activity.v1`, new: `com.example.thing`, code: event.CodeUnknownKind, field: "type"},
		"next version of a type":      {old: `activity.v1`, new: `activity.v2`, code: event.CodeUnknownKind, field: "type"},
		"no object":                   {old: envelopeText, new: `[]`, code: event.CodeNotAnObject},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(envelopeText, tc.old, tc.new, 1)
			out := d.structured(body)
			require.Nil(t, out.refusal)
			if tc.want != nil {
				require.Empty(t, out.faults)
				require.Equal(t, []event.Event{*tc.want}, out.events)
				return
			}
			require.Empty(t, out.events)
			require.Len(t, out.faults, 1)
			require.Equal(t, string(tc.code)+" "+tc.field, string(out.faults[0].Code)+" "+out.faults[0].Field)
			require.Equal(t, []string{strings.TrimSpace(body)}, out.letters)
		})
	}
	require.Equal(t, event.CodeMalformedJSON, d.structured(envelopeText[:50]).refusal.Code)
	require.True(t, d.structured("").refusal.Keep)
}

func manyAttributes() string {
	var b strings.Builder
	for i := range maxAttributes {
		b.WriteString(`"ext` + itoa(i) + `":1,`)
	}
	return b.String()
}

// An event is named by its source and its id; those of two sources do not meet, however
// they are spelt.
func TestIdentity(t *testing.T) {
	d := decoder(t, "")
	id := func(source, ceID string) string {
		body := strings.NewReplacer(`"/crm"`, `"`+source+`"`, `"A-1"`, `"`+ceID+`"`).Replace(envelopeText)
		out := d.structured(body)
		require.Len(t, out.events, 1, "%v", out.faults)
		require.Equal(t, out.events, d.structured(body).events, "sent again it is the same")
		return out.events[0].ID
	}
	seen := map[string]bool{}
	for _, pair := range [][2]string{
		{"a", "b"},
		{"b", "a"},
		{"a/b", "c"},
		{"a", "b/c"},
		{"a", "b c"},
		{"a#b", "c"},
		{"a", "#b c"},
		{"a", pad(500)},
		{"a", pad(510)},
		{"a", pad(600)},
		{"b", pad(600)},
		{"a" + pad(100), pad(500)},
		{"a", pad(600) + "y"},
	} {
		got := id(pair[0], pair[1])
		require.LessOrEqual(t, len(got), event.MaxNameBytes)
		require.False(t, seen[got], got)
		seen[got] = true
	}
	require.Equal(t, "a b", id("a", "b"))
}

func TestKinds(t *testing.T) {
	d := decoder(t, "")
	text := func(kind, data string) string {
		return `{"specversion":"1.0","type":"dev.flowgauge.` + kind + `.v1","source":"/ci","id":"1","time":"2024-05-31T10:00:00Z","data":` + data + `}`
	}
	none := event.Event{Tenant: "acme", Source: "/ci", ID: "/ci 1", Time: at, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime}
	for _, tc := range []struct {
		kind, data string
		want       func(*event.Event)
	}{
		{"execution", `{"workflowId":"w","status":"completed","duration":5}`, func(e *event.Event) {
			e.Kind, e.WorkflowID, e.Status, e.Duration = event.KindExecution, "w", event.StatusCompleted, 5
		}},
		{"execution", `{"id":"e","workflowId":"w","status":"started"}`, func(e *event.Event) {
			e.Kind, e.ID, e.WorkflowID, e.Status = event.KindExecution, "e", "w", event.StatusStarted
		}},
		{"step", `{"executionId":"e","stepId":"s","status":"failed","duration":5}`, func(e *event.Event) {
			e.Kind, e.ExecutionID, e.StepID, e.Status, e.Duration, e.EndTime = event.KindStep, "e", "s", event.StatusFailed, 5, at+5
		}},
		{"cost", `{"credits":"1"}`, func(e *event.Event) {
			e.Kind, e.Credits, e.Pricing = event.KindCost, event.Decimal{Lo: 1e15}, event.PricingUnpriced
		}},
	} {
		want := none
		tc.want(&want)
		out := d.structured(text(tc.kind, tc.data))
		require.Empty(t, out.faults)
		require.Equal(t, []event.Event{want}, out.events)
	}
	// Of two CloudEvents only one could have the id that an execution's events share.
	out := d.structured(text("execution", `{"workflowId":"w","status":"started"}`))
	require.Equal(t, "missing_field id", string(out.faults[0].Code)+" "+out.faults[0].Field)
}

func TestBatch(t *testing.T) {
	d := decoder(t, "")
	require.Equal(t, outcome{}, d.batch(" [] "), "a batch may be empty")
	other := strings.Replace(envelopeText, "A-1", "A-2", 1)
	bad := strings.Replace(envelopeText, "activity", "deed", 1)
	out := d.batch("[" + envelopeText + ", 5 ," + bad + ",\n" + other + "]")
	require.Nil(t, out.refusal)
	require.Len(t, out.events, 2)
	require.Equal(t, []string{"5", bad}, out.letters)
	require.Equal(t, event.CodeWrongType, d.batch(envelopeText).refusal.Code)
	require.Equal(t, event.CodeMalformedJSON, d.batch("["+envelopeText+",]").refusal.Code)
	many := d.batch("[" + strings.Repeat(envelopeText+",", 1000) + envelopeText + "]")
	require.Equal(t, event.CodeTooManyEvents, many.refusal.Code)
}

// 64 KiB are accepted, and more.
func TestSize(t *testing.T) {
	d := decoder(t, "")
	for _, n := range []int{large - len(envelopeText), event.MaxMetadataBytes - 10} {
		out := d.structured(strings.Replace(envelopeText, `{"action"`, `{"metadata":{"a":"`+pad(n)+`"},"action"`, 1))
		require.Empty(t, out.faults)
		require.Len(t, out.events, 1)
	}
	spaced := d.structured(strings.Replace(envelopeText, `{"action"`, `{`+strings.Repeat(" ", 1<<20)+`"action"`, 1))
	require.Len(t, spaced.events, 1)
}
