package event

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var testOptions = Options{Tenant: "acme"}

// one decodes a single object.
func one(t testing.TB, body string, opts Options) (e Event, fault *Error) {
	t.Helper()
	calls := 0
	err := Decode([]byte(body), FormatJSON, opts, func(index int, raw []byte, got *Event, f *Error) bool {
		calls++
		require.Zero(t, index)
		require.Equal(t, strings.TrimSpace(body), string(raw))
		e, fault = *got, f
		e.DependsOn = append([]string(nil), got.DependsOn...)
		return true
	})
	if err != nil {
		return e, err
	}
	require.Equal(t, 1, calls)
	return e, fault
}

// The smallest good event of each kind.
const (
	goodExecution = `{"kind":"execution","id":"e1","timestamp":"2024-05-31T10:00:00Z","workflowId":"w","status":"started"}`
	goodStep      = `{"kind":"step","id":"s1","executionId":"e1","stepId":"a","startTime":"2024-05-31T10:00:00Z","status":"completed","duration":5}`
	goodCost      = `{"kind":"cost","id":"c1","timestamp":"2024-05-31T10:00:00Z","credits":1}`
	goodActivity  = `{"kind":"activity","id":"a1","timestamp":"2024-05-31T10:00:00Z","action":"login"}`
)

// with adds members to an object.
func with(object, members string) string { return object[:len(object)-1] + "," + members + "}" }

// but replaces a part of an object that must be there.
func but(t testing.TB, object, old, repl string) string {
	t.Helper()
	require.Contains(t, object, old)
	return strings.Replace(object, old, repl, 1)
}

const may31 = 1717149600000 // 2024-05-31T10:00:00Z

func TestDecodeFields(t *testing.T) {
	none := Event{Tenant: "acme", Time: may31, PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime}
	for name, c := range map[string]struct {
		in   string
		want func(e *Event)
	}{
		"execution": {
			`{"kind":"execution","source":"n8n","tenantId":"acme","id":"e1","timestamp":"2024-05-31T12:00:00+02:00",
			"workflowId":"w","workflowVersion":3,"userId":"u","triggerId":"t","triggerType":"cron","status":"failed","duration":12,
			"stepCount":4,"errorType":"Timeout","errorMessage":"took \"too\" long\n","metadata":{ "a": [1, {"b":null}] },
			"queuedTime":"2024-05-31T09:59:59.999Z","attempt":2,"previousTimestamp":"2024-05-31T09:00:00Z"}`,
			func(e *Event) {
				e.Kind, e.Status, e.Source, e.ID = KindExecution, StatusFailed, "n8n", "e1"
				e.WorkflowID, e.WorkflowVersion, e.UserID, e.TriggerID, e.TriggerType = "w", 3, "u", "t", "cron"
				e.Duration, e.StepCount, e.ErrorType, e.ErrorMessage = 12, 4, "Timeout", "took \"too\" long\n"
				e.Metadata, e.QueuedTime, e.Attempt, e.PreviousTime = `{ "a": [1, {"b":null}] }`, may31-1, 2, may31-3600000
			},
		},
		"step": {
			`{"status":"completed","startTime":"2024-05-31T10:00:00Z","endTime":"2024-05-31T10:00:01.5Z","duration":1200,
			"id":"s1","executionId":"e1","stepId":"a","stepType":"http","inputSize":9007199254740991,"outputSize":0,"creditsUsed":"0.5",
			"workflowId":"w","workflowVersion":1,"userId":"u","dependsOn":["x","y"],"queuedTime":"2024-05-31T10:00:00Z","attempt":1,"kind":"step"}`,
			func(e *Event) {
				e.Kind, e.Status, e.ID, e.ExecutionID, e.StepID, e.StepType = KindStep, StatusCompleted, "s1", "e1", "a", "http"
				e.EndTime, e.Duration, e.InputSize, e.Credits = may31+1500, 1200, 9007199254740991, Decimal{Lo: 5e14}
				e.WorkflowID, e.WorkflowVersion, e.UserID, e.DependsOn = "w", 1, "u", []string{"x", "y"}
				e.QueuedTime, e.Attempt = may31, 1
			},
		},
		"cost": {
			`{"kind":"cost","id":"c1","timestamp":"2024-05-31T10:00:00Z","userId":"u","workflowId":"w","executionId":"e1",
			"actionType":"llm","credits":-1.5,"dollarAmount":"8.0000E-7","metadata":{}}`,
			func(e *Event) {
				e.Kind, e.ID, e.UserID, e.WorkflowID, e.ExecutionID, e.ActionType = KindCost, "c1", "u", "w", "e1", "llm"
				e.Credits, e.Dollars, e.Metadata = Decimal{Lo: 15e14}.Neg(), Decimal{Lo: 8e8}, "{}"
			},
		},
		"activity": {
			`{"kind":"activity","id":"a1","userId":"u","timestamp":"2024-05-31T10:00:00Z","sessionId":"","action":"login",
			"resource":"app","resourceId":"r","duration":14000,"metadata":null}`,
			func(e *Event) {
				e.Kind, e.ID, e.UserID, e.Action, e.Resource, e.ResourceID, e.Duration = KindActivity, "a1", "u", "login", "app", "r", 14000
			},
		},
		"null and empty are absent, even of other kinds": {
			with(goodActivity, `"workflowId":null,"stepId":"","duration":"","startTime":"","dollarAmount":"","dependsOn":[],"metadata":"","source":null`),
			func(e *Event) { e.Kind, e.ID, e.Action = KindActivity, "a1", "login" },
		},
		"end from duration": {goodStep, func(e *Event) {
			e.Kind, e.Status, e.ID, e.ExecutionID, e.StepID = KindStep, StatusCompleted, "s1", "e1", "a"
			e.Duration, e.EndTime = 5, may31+5
		}},
		"duration from end": {but(t, goodStep, `"duration":5`, `"endTime":"2024-05-31T10:00:00.007Z"`), func(e *Event) {
			e.Kind, e.Status, e.ID, e.ExecutionID, e.StepID = KindStep, StatusCompleted, "s1", "e1", "a"
			e.Duration, e.EndTime = 7, may31+7
		}},
		"skipped has neither": {
			`{"kind":"step","id":"s1","executionId":"e1","stepId":"a","startTime":"2024-05-31T10:00:00Z","status":"skipped"}`,
			func(e *Event) {
				e.Kind, e.Status, e.ID, e.ExecutionID, e.StepID = KindStep, StatusSkipped, "s1", "e1", "a"
			},
		},
		"a correction that moves nothing": {with(goodActivity, `"previousTimestamp":"2024-05-31T10:00:00Z"`), func(e *Event) {
			e.Kind, e.ID, e.Action = KindActivity, "a1", "login"
		}},
		"escaped names and values": {but(t, goodActivity, `"action":"login"`, `"\u0061ction":"\u006c\u00f6\/\ud83d\ude00"`), func(e *Event) {
			e.Kind, e.ID, e.Action = KindActivity, "a1", "lö/😀"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := none
			c.want(&want)
			got, fault := one(t, c.in, testOptions)
			require.Nil(t, fault)
			require.Equal(t, want, got)
			require.Nil(t, Validate(&got))
		})
	}
}

func TestDecodeTenant(t *testing.T) {
	e, fault := one(t, with(goodCost, `"tenantId":"other"`), testOptions)
	require.Equal(t, CodeTenantMismatch, fault.Code)
	require.Equal(t, "c1", e.ID)
	e, fault = one(t, with(goodCost, `"tenantId":"other"`), Options{Tenant: "acme", CrossTenant: true})
	require.Nil(t, fault)
	require.Equal(t, "other", e.Tenant)
	_, fault = one(t, goodCost, Options{CrossTenant: true})
	require.Equal(t, CodeMissingField, fault.Code)
	require.Equal(t, "tenantId", fault.Field)
}

func TestDecodeFaults(t *testing.T) {
	long := strings.Repeat("x", MaxNameBytes+1)
	deep := strings.Repeat(`{"a":`, MaxMetadataDepth) + "{}" + strings.Repeat("}", MaxMetadataDepth)
	for _, c := range []struct {
		in    string
		code  Code
		field string
	}{
		{`{}`, CodeMissingField, "kind"},
		{`{"kind":null}`, CodeMissingField, "kind"},
		{`{"kind":"workflow"}`, CodeUnknownKind, "kind"},
		{`{"kind":3}`, CodeWrongType, "kind"},
		{`7`, CodeNotAnObject, ""},
		{`"x"`, CodeNotAnObject, ""},
		{`null`, CodeNotAnObject, ""},

		{but(t, goodExecution, `"id":"e1"`, `"id":""`), CodeMissingField, "id"},
		{but(t, goodExecution, `"timestamp":"2024-05-31T10:00:00Z",`, ``), CodeMissingField, "timestamp"},
		{but(t, goodExecution, `"workflowId":"w"`, `"workflowId":null`), CodeMissingField, "workflowId"},
		{but(t, goodExecution, `,"status":"started"`, ``), CodeMissingField, "status"},
		{but(t, goodExecution, `started`, `completed`), CodeMissingField, "duration"},
		{but(t, goodExecution, `started`, `failed`), CodeMissingField, "duration"},
		{but(t, goodExecution, `started`, `skipped`), CodeInvalidStatus, "status"},
		{but(t, goodExecution, `started`, `Running`), CodeInvalidStatus, "status"},
		{but(t, goodStep, `"id":"s1",`, ``), CodeMissingField, "id"},
		{but(t, goodStep, `"executionId":"e1",`, ``), CodeMissingField, "executionId"},
		{but(t, goodStep, `"stepId":"a",`, ``), CodeMissingField, "stepId"},
		{but(t, goodStep, `"startTime":"2024-05-31T10:00:00Z",`, ``), CodeMissingField, "startTime"},
		{but(t, goodStep, `,"duration":5`, ``), CodeMissingField, "endTime"},
		{but(t, goodStep, `completed`, `started`), CodeInvalidStatus, "status"},
		{but(t, goodStep, `"duration":5`, `"endTime":"2024-05-31T09:59:59.999Z"`), CodeEndBeforeStart, "endTime"},
		{with(but(t, goodStep, `completed`, `skipped`), `"endTime":"2024-05-31T09:59:59.999Z"`), CodeEndBeforeStart, "endTime"},
		{but(t, goodStep, `"duration":5`, `"duration":4102444800000`), CodeTimeOutOfRange, "duration"},
		{but(t, goodStep, `"duration":5`, `"duration":4102444800001`), CodeOutOfRange, "duration"},
		{but(t, goodCost, `,"credits":1`, ``), CodeMissingField, "credits"},
		{but(t, goodActivity, `,"action":"login"`, ``), CodeMissingField, "action"},

		{with(goodExecution, `"colour":"red"`), CodeUnknownField, "colour"},
		{with(goodExecution, `"colour":null`), CodeUnknownField, "colour"},
		{with(goodExecution, `"workflowid":"w"`), CodeUnknownField, "workflowid"},
		{with(goodExecution, `"stepId":"a"`), CodeUnknownField, "stepId"},
		{with(goodStep, `"metadata":{}`), CodeUnknownField, "metadata"},
		{with(goodStep, `"timestamp":"2024-05-31T10:00:00Z"`), CodeUnknownField, "timestamp"},
		{with(goodCost, `"duration":0`), CodeUnknownField, "duration"},
		{with(goodActivity, `"status":"completed"`), CodeUnknownField, "status"},
		{with(goodActivity, `"id":"a1"`), CodeDuplicateField, "id"},
		{with(goodActivity, `"\u0069d":"a1"`), CodeDuplicateField, "id"},
		{with(goodActivity, `"userId":null,"userId":null`), CodeDuplicateField, "userId"},

		{with(goodActivity, `"userId":12`), CodeWrongType, "userId"},
		{with(goodActivity, `"userId":{"a":["]"]}`), CodeWrongType, "userId"},
		{with(goodActivity, `"duration":"5"`), CodeWrongType, "duration"},
		{with(goodActivity, `"duration":true`), CodeWrongType, "duration"},
		{with(goodActivity, `"metadata":"{}x"`), CodeWrongType, "metadata"},
		{with(goodActivity, `"metadata":[]`), CodeWrongType, "metadata"},
		{with(goodStep, `"dependsOn":"a"`), CodeWrongType, "dependsOn"},
		{with(goodStep, `"dependsOn":{"a":1}`), CodeWrongType, "dependsOn"},
		{with(goodStep, `"dependsOn":["a",1]`), CodeWrongType, "dependsOn"},
		{with(goodStep, `"dependsOn":["a",null]`), CodeWrongType, "dependsOn"},
		{with(goodStep, `"inputSize":"5"`), CodeWrongType, "inputSize"},
		{but(t, goodCost, `"credits":1`, `"credits":true`), CodeWrongType, "credits"},
		{but(t, goodCost, `"2024-05-31T10:00:00Z"`, `1717149600000`), CodeWrongType, "timestamp"},

		{with(goodActivity, `"userId":"\ud800"`), CodeInvalidString, "userId"},
		{with(goodActivity, `"userId":"\ud800\u0041"`), CodeInvalidString, "userId"},
		{with(goodActivity, `"userId":"\udc00\ud800"`), CodeInvalidString, "userId"},
		{with(goodActivity, "\"userId\":\"a\xffb\""), CodeInvalidString, "userId"},
		{with(goodActivity, "\"userId\":\"\xed\xa0\x80\""), CodeInvalidString, "userId"},
		{with(goodActivity, `"metadata":{"a":"\ud800"}`), CodeInvalidString, "metadata"},
		{with(goodActivity, "\"metadata\":{\"\xc0\xaf\":1}"), CodeInvalidString, "metadata"},

		{but(t, goodCost, `2024-05-31T10:00:00Z`, `yesterday`), CodeInvalidTime, "timestamp"},
		{but(t, goodCost, `2024-05-31T10:00:00Z`, `1969-12-31T23:59:59.999Z`), CodeTimeOutOfRange, "timestamp"},
		{but(t, goodCost, `2024-05-31T10:00:00Z`, `2100-01-01T00:00:00Z`), CodeTimeOutOfRange, "timestamp"},
		{with(goodCost, `"previousTimestamp":"2024-05-31"`), CodeInvalidTime, "previousTimestamp"},
		{with(goodActivity, `"duration":-1`), CodeNegativeLength, "duration"},
		{with(goodActivity, `"duration":-0.4`), CodeNegativeLength, "duration"},
		{with(goodActivity, `"duration":9223372036854775808`), CodeOutOfRange, "duration"},
		{with(goodActivity, `"duration":1e400`), CodeOutOfRange, "duration"},
		{with(goodStep, `"inputSize":-1`), CodeNegativeNumber, "inputSize"},
		{with(goodStep, `"outputSize":1.5`), CodeNotAnInteger, "outputSize"},
		{with(goodStep, `"outputSize":9223372036854775808`), CodeOutOfRange, "outputSize"},
		{with(goodStep, `"attempt":4294967296`), CodeOutOfRange, "attempt"},
		{with(goodExecution, `"stepCount":-1`), CodeNegativeNumber, "stepCount"},
		{with(goodCost, `"dollarAmount":"1,5"`), CodeInvalidAmount, "dollarAmount"},
		{with(goodCost, `"dollarAmount":1e-16`), CodeInvalidAmount, "dollarAmount"},
		{with(goodCost, `"dollarAmount":1e23`), CodeOutOfRange, "dollarAmount"},

		{with(goodActivity, `"userId":"`+long+`"`), CodeTooLong, "userId"},
		{with(goodStep, `"dependsOn":["`+long+`"]`), CodeTooLong, "dependsOn"},
		{with(goodExecution, `"errorMessage":"`+strings.Repeat("x", MaxMessageBytes+1)+`"`), CodeTooLong, "errorMessage"},
		{with(goodActivity, `"metadata":{"a":"`+strings.Repeat("x", MaxMetadataBytes)+`"}`), CodeTooLong, "metadata"},
		{with(goodActivity, `"metadata":`+deep), CodeTooDeep, "metadata"},
		{with(goodStep, `"dependsOn":["a"`+strings.Repeat(`,"b"`, MaxDependsOn)+`]`), CodeTooMany, "dependsOn"},
	} {
		e, fault := one(t, c.in, testOptions)
		require.NotNil(t, fault, "%.200s", c.in)
		require.Equal(t, c.code, fault.Code, "%.200s: %v", c.in, fault)
		require.Equal(t, c.field, fault.Field, "%.200s: %v", c.in, fault)
		require.NotEmpty(t, fault.Message)
		require.LessOrEqual(t, len(fault.Message), 400, "an answer with many errors must stay small")
		if strings.Contains(c.in, `"a1"`) {
			require.Equal(t, "a1", e.ID, "the id is reported with the error")
		}
	}
}

func TestDecodeLimitsAreInclusive(t *testing.T) {
	deep := strings.Repeat(`{"a":`, MaxMetadataDepth-1) + "{}" + strings.Repeat("}", MaxMetadataDepth-1)
	for _, in := range []string{
		with(goodActivity, `"userId":"`+strings.Repeat("x", MaxNameBytes)+`"`),
		with(goodActivity, `"userId":"`+strings.Repeat(`\u00e9`, MaxNameBytes/2)+`"`),
		with(goodExecution, `"errorMessage":"`+strings.Repeat("x", MaxMessageBytes)+`"`),
		with(goodActivity, `"metadata":{"a":"`+strings.Repeat("x", MaxMetadataBytes-8)+`"}`),
		with(goodActivity, `"metadata":`+deep),
		with(goodStep, `"dependsOn":["a"`+strings.Repeat(`,"b"`, MaxDependsOn-1)+`]`),
		with(goodStep, `"outputSize":9007199254740992,"attempt":4294967295`),
		with(goodActivity, `"duration":4102444800000`),
		but(t, goodCost, `2024-05-31T10:00:00Z`, `2099-12-31T23:59:59.999999Z`),
		but(t, goodCost, `2024-05-31T10:00:00Z`, `1970-01-01T00:00:00Z`),
	} {
		e, fault := one(t, in, testOptions)
		require.Nil(t, fault, "%.200s", in)
		require.Nil(t, Validate(&e), "%.200s", in)
	}
}

func TestDecodeDurations(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "-0": 0, "0.4": 0, "0.5": 1, "1.4999": 1, "2.5": 3, "1e3": 1000, "1.5E+1": 15, "1072732480": 1072732480,
		"4102444799999.4": 4_102_444_799_999, "4102444800000": MaxDuration, "1e-400": 0,
	} {
		e, fault := one(t, with(goodActivity, `"duration":`+in), testOptions)
		require.Nil(t, fault, in)
		require.Equal(t, want, e.Duration, in)
	}
	for in, want := range map[string]int64{"3": 3, "3.0": 3, "30e-1": 3, "0.3e1": 3, "-0": 0, "9.007199254740992e15": MaxSize} {
		e, fault := one(t, with(goodStep, `"inputSize":`+in), testOptions)
		require.Nil(t, fault, in)
		require.Equal(t, want, e.InputSize, in)
	}
}

// yielded is what Decode said of one element.
type yielded struct {
	ID   string
	Code Code
}

func all(body string, format Format, opts Options) (got []yielded, err *Error) {
	err = Decode([]byte(body), format, opts, func(index int, _ []byte, e *Event, fault *Error) bool {
		if index != len(got) {
			panic("index")
		}
		y := yielded{ID: e.ID}
		if fault != nil {
			y.Code = fault.Code
		}
		got = append(got, y)
		return true
	})
	return got, err
}

func TestDecodeBodies(t *testing.T) {
	limited := Options{Tenant: "acme", MaxEvents: 2}
	bad := `{"kind":"cost","id":"c2"}`
	for name, c := range map[string]struct {
		body   string
		format Format
		opts   Options
		want   []yielded
		err    Code
	}{
		"object":              {body: " " + goodCost + "\r\n", want: []yielded{{"c1", ""}}},
		"byte order mark":     {body: "\xef\xbb\xbf" + goodCost, want: []yielded{{"c1", ""}}},
		"array":               {body: "[ " + goodCost + " ,\n" + bad + ",3," + goodStep + "]", want: []yielded{{"c1", ""}, {"c2", CodeMissingField}, {"", CodeNotAnObject}, {"s1", ""}}},
		"array in an array":   {body: "[[" + goodCost + "]]", want: []yielded{{"", CodeNotAnObject}}},
		"empty array":         {body: "[ ]", err: CodeEmptyBody},
		"empty":               {err: CodeEmptyBody},
		"blank":               {body: " \n", err: CodeEmptyBody},
		"blank lines":         {body: " \n\r\n\n", format: FormatNDJSON, err: CodeEmptyBody},
		"cut object":          {body: goodCost[:40], err: CodeMalformedJSON},
		"cut array":           {body: "[" + goodCost, want: []yielded{{"c1", ""}}, err: CodeMalformedJSON},
		"trailing comma":      {body: "[" + goodCost + ",]", want: []yielded{{"c1", ""}}, err: CodeMalformedJSON},
		"missing comma":       {body: "[" + goodCost + goodCost + "]", want: []yielded{{"c1", ""}}, err: CodeMalformedJSON},
		"behind the array":    {body: "[" + goodCost + "] x", want: []yielded{{"c1", ""}}, err: CodeMalformedJSON},
		"two objects":         {body: goodCost + "\n" + goodCost, err: CodeMalformedJSON},
		"NUL":                 {body: "\x00", err: CodeMalformedJSON},
		"bare word":           {body: "nope", err: CodeMalformedJSON},
		"raw control":         {body: `{"kind":"co` + "\n" + `st"}`, err: CodeMalformedJSON},
		"bad escape":          {body: `{"kind":"\x"}`, err: CodeMalformedJSON},
		"too deep":            {body: strings.Repeat("[", 1<<20), err: CodeMalformedJSON},
		"at the limit":        {body: "[" + goodCost + "," + goodStep + "]", opts: limited, want: []yielded{{"c1", ""}, {"s1", ""}}},
		"beyond the limit":    {body: "[" + goodCost + "," + goodStep + "," + goodStep + "]", opts: limited, want: []yielded{{"c1", ""}, {"s1", ""}}, err: CodeTooManyEvents},
		"lines":               {body: goodCost + "\n\n" + goodStep + "\r\n", format: FormatNDJSON, want: []yielded{{"c1", ""}, {"s1", ""}}},
		"a broken line":       {body: goodCost + "\n{\"kind\":\"cost\",\"id\":\"c9\",\n" + goodStep, format: FormatNDJSON, want: []yielded{{"c1", ""}, {"c9", CodeMalformedJSON}, {"s1", ""}}},
		"two on a line":       {body: goodCost + " " + goodStep + "\n" + goodStep, format: FormatNDJSON, want: []yielded{{"c1", CodeMalformedJSON}, {"s1", ""}}},
		"an array on a line":  {body: "[" + goodCost + "]\n" + goodStep, format: FormatNDJSON, want: []yielded{{"", CodeNotAnObject}, {"s1", ""}}},
		"lines beyond limits": {body: strings.Repeat(goodCost+"\n", 3), format: FormatNDJSON, opts: limited, want: []yielded{{"c1", ""}, {"c1", ""}}, err: CodeTooManyEvents},
	} {
		t.Run(name, func(t *testing.T) {
			opts := c.opts
			opts.Tenant = "acme"
			got, err := all(c.body, c.format, opts)
			if c.err == "" {
				require.Nil(t, err)
			} else {
				require.NotNil(t, err)
				require.Equal(t, c.err, err.Code)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestDecodeSaysWhereItBroke(t *testing.T) {
	_, err := all(`{"kind":"cost",}`, FormatJSON, testOptions)
	require.EqualError(t, err, `malformed_json: not JSON at byte 15: expected a field's name in quotes, found "}"`)
	_, err = all(`[{"kind":`, FormatJSON, testOptions)
	require.EqualError(t, err, `malformed_json: not JSON at byte 9: expected a value, found the end`)
}

func TestDecodeStops(t *testing.T) {
	for _, c := range []struct {
		body   string
		format Format
	}{{"[" + goodCost + "," + goodCost + ", oops", FormatJSON}, {goodCost + "\n" + goodCost, FormatNDJSON}} {
		n := 0
		require.Nil(t, Decode([]byte(c.body), c.format, testOptions, func(int, []byte, *Event, *Error) bool {
			n++
			return false
		}))
		require.Equal(t, 1, n)
	}
}

// The strings of an event outlive the events after it, escaped or not.
func TestDecodedStringsStay(t *testing.T) {
	var body strings.Builder
	const n = 3000
	for range n {
		body.WriteString(with(goodActivity, `"userId":"\u00e9\n0123456789"`) + "\n")
	}
	var users []string
	require.Nil(t, Decode([]byte(body.String()), FormatNDJSON, testOptions, func(_ int, _ []byte, e *Event, fault *Error) bool {
		require.Nil(t, fault)
		users = append(users, e.UserID)
		return true
	}))
	require.Len(t, users, n)
	for _, u := range users {
		require.Equal(t, "é\n0123456789", u)
	}
}

// Data that nobody on this project made is accepted whole.
func TestDecodeRealInput(t *testing.T) {
	const folder = "../../../shared/data"
	for name, want := range map[string]map[Kind]int{
		"bpic2012": {KindExecution: 25775, KindStep: 71373, KindActivity: 244190},
		"nextflow": {KindExecution: 30, KindStep: 1856},
		"focus":    {KindCost: 1000},
		"ecom":     {KindActivity: 31106},
	} {
		t.Run(name, func(t *testing.T) {
			body := readGzip(t, filepath.Join(folder, name, "events.ndjson.gz"))
			count := map[Kind]int{}
			var (
				again   Event
				dollars Decimal
			)
			require.Nil(t, Decode(body, FormatNDJSON, testOptions, func(index int, raw []byte, e *Event, fault *Error) bool {
				if fault != nil {
					require.Nil(t, fault, "%d: %s", index, raw)
				}
				count[e.Kind]++
				dollars = dollars.Add(e.Dollars)
				if Validate(e) != nil || DecodeBinary(AppendBinary(nil, e), &again) != nil {
					t.Fatalf("%d: %s", index, raw)
				}
				return true
			}))
			require.Equal(t, want, count)
			if name == "focus" {
				require.Equal(t, "20.52022672899", dollars.String())
			}
		})
	}
}

func readGzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shared data is absent: ", path)
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	zr, err := gzip.NewReader(bufio.NewReader(f))
	require.NoError(t, err)
	var b strings.Builder
	_, err = bufio.NewReader(zr).WriteTo(&b)
	require.NoError(t, err)
	return []byte(b.String())
}
