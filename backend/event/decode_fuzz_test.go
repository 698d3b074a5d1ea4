package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What the scanner takes for JSON is what encoding/json takes for JSON, the depth
// of nesting apart, and an event that is accepted says what encoding/json reads.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		goodExecution, goodStep, goodCost, goodActivity,
		with(goodActivity, `"metadata":{"a":[1,-2.5e+3,true,false,null,{"b":"\u00e9\ud83d\ude00"}]}`),
		with(goodActivity, `"userId":"\ud800"`), "[" + goodCost + "," + goodStep + "]", `[1,2,{}]`, "\"\\u12", `{"a":"b\`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, format := range []Format{FormatJSON, FormatNDJSON} {
			before := bytes.Clone(body)
			err := Decode(body, format, testOptions, func(_ int, raw []byte, e *Event, fault *Error) bool {
				switch {
				case fault == nil:
					sameAsStandard(t, raw, e)
				case fault.Code != CodeMalformedJSON:
					require.True(t, json.Valid(raw), "%q", raw)
				case !strings.Contains(fault.Message, "nesting"):
					require.False(t, json.Valid(raw), "%q", raw)
				}
				return true
			})
			require.Equal(t, before, body, "the body is not written to")
			if format == FormatNDJSON || (err != nil && strings.Contains(err.Message, "nesting")) {
				continue
			}
			text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
			valid := json.Valid(text)
			if err != nil && err.Code == CodeEmptyBody {
				require.True(t, valid || strings.Trim(string(text), " \t\r\n") == "", "%q", body)
				continue
			}
			require.Equal(t, valid, err == nil, "%q: %v", body, err)
		}
	})
}

// sameAsStandard compares an accepted event with what encoding/json reads.
func sameAsStandard(t *testing.T, raw []byte, e *Event) {
	t.Helper()
	require.Nil(t, Validate(e), "%q", raw)
	require.True(t, utf8.Valid(raw), "%q", raw)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	require.NoError(t, d.Decode(&m), "%q", raw)
	for name, v := range m {
		f := fieldOf([]byte(name))
		require.NotEqual(t, fieldUnknown, f, "%q", raw)
		if v == nil || v == "" {
			continue
		}
		switch {
		case textFields.has(f):
			require.Equal(t, v, *textOf(e, f), "%q", raw)
		case f == fieldTimestamp || f == fieldStartTime:
			if at, err := time.Parse(time.RFC3339, v.(string)); err == nil {
				require.Equal(t, at.UnixMilli(), e.Time, "%q", raw)
			}
		case f == fieldStatus:
			require.Equal(t, v, e.Status.String(), "%q", raw)
		case f == fieldMetadata:
			var kept any
			d := json.NewDecoder(strings.NewReader(e.Metadata))
			d.UseNumber()
			require.NoError(t, d.Decode(&kept))
			require.Equal(t, v, kept, "%q", raw)
		}
	}
}

// Text of every sort comes out as it went in, however it is escaped.
func TestDecodeStringsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.StringN(1, 60, 120).Draw(t, "text")
		plain, err := json.Marshal(want)
		require.NoError(t, err)
		var b strings.Builder
		for _, r := range want {
			switch {
			case r > 0xffff:
				r -= 0x10000
				fmt.Fprintf(&b, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			default:
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		}
		for _, text := range []string{string(plain), `"` + b.String() + `"`} {
			_, err := all(with(goodActivity, `"userId":`+text), FormatJSON, testOptions)
			require.Nil(t, err)
			require.Nil(t, Decode([]byte(with(goodActivity, `"userId":`+text)), FormatJSON, testOptions, func(_ int, _ []byte, e *Event, fault *Error) bool {
				require.Nil(t, fault)
				require.Equal(t, want, e.UserID)
				return true
			}))
		}
	})
}

// parseTime agrees with the standard library wherever that reads a time at all.
func TestParseTimeIsTheStandardLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1e9, 5e9).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).
			In(time.FixedZone("", 60*rapid.IntRange(-1439, 1439).Draw(t, "offset")))
		layout := rapid.SampledFrom([]string{time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000Z07:00"}).Draw(t, "layout")
		text := at.Format(layout)
		want, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		got, ok := parseTime(text)
		require.True(t, ok, text)
		require.Equal(t, want.UnixMilli(), got, text)
	})
}

func TestParseTimeSpecials(t *testing.T) {
	for in, want := range map[string]int64{
		"2016-12-31T23:59:60Z":           1483228800000,
		"2016-12-31T18:59:60.5-05:00":    1483228800500,
		"2000-02-29t00:00:00z":           951782400000,
		"2024-05-31T10:00:00.0009999Z":   may31,
		"2024-05-31T10:00:00.1Z":         may31 + 100,
		"2024-05-31T10:00:00.123456789Z": may31 + 123,
		"2024-05-31T10:00:00-00:00":      may31,
	} {
		got, ok := parseTime(in)
		require.True(t, ok, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{
		"", "2024-05-31", "2024-05-31T10:00:00", "2024-05-31 10:00:00Z", "2024-02-30T10:00:00Z", "2023-02-29T10:00:00Z",
		"1900-02-29T10:00:00Z", "2024-13-01T10:00:00Z", "2024-00-01T10:00:00Z", "2024-05-00T10:00:00Z", "2024-05-31T24:00:00Z",
		"2024-05-31T10:60:00Z", "2024-05-31T10:00:61Z", "2024-05-31T10:00:60Z", "2024-05-31T10:00:00.Z", "2024-05-31T10:00:00,5Z",
		"2024-05-31T10:00:00+0200", "2024-05-31T10:00:00+24:00", "2024-05-31T10:00:00+02:60", "2024-05-31T10:00:00ZZ", "2024-05-31T1a:00:00Z",
		"-024-05-31T10:00:00Z", "2024-05-31T10:00:00.1", "2024-05-31T10:00:00+", "٢٠24-05-31T10:00:00Z",
	} {
		_, ok := parseTime(in)
		require.False(t, ok, in)
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2024-05-31T10:00:00.123+02:00")
	f.Fuzz(func(t *testing.T, in string) {
		got, ok := parseTime(in)
		want, err := time.Parse(time.RFC3339, in)
		if err != nil || !ok {
			// Of what the one reads and the other does not: lower case, leap seconds;
			// a comma, hours of one digit.
			return
		}
		require.Equal(t, want.UnixMilli(), got, in)
	})
}

// mixed builds a body of n events of all kinds, as a platform sends them.
func mixed(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for i := range n {
		at := time.UnixMilli(may31 + int64(i)*7).UTC().Format("2006-01-02T15:04:05.000Z")
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, `{"kind":"execution","id":"exec-%08x","timestamp":%q,"workflowId":"workflow-%d","workflowVersion":3,"userId":"user-%d","triggerId":"cron-1","triggerType":"schedule","status":"completed","duration":%d,"stepCount":4,"errorType":null,"errorMessage":null,"metadata":{"region":"eu","attempt":1}}`,
				r.Uint32(), at, r.IntN(50), r.IntN(1000), r.IntN(60000))
		case 1, 2:
			fmt.Fprintf(&b, `{"kind":"step","id":"step-%08x","executionId":"exec-%08x","stepId":"charge","stepType":"http","startTime":%q,"endTime":%q,"duration":7,"status":"completed","inputSize":%d,"outputSize":%d,"creditsUsed":0.25,"dependsOn":["validate"]}`,
				r.Uint32(), r.Uint32(), at, at, r.IntN(1<<20), r.IntN(1<<20))
		case 3:
			fmt.Fprintf(&b, `{"kind":"cost","id":"cost-%08x","timestamp":%q,"userId":"user-%d","workflowId":"workflow-%d","executionId":"exec-%08x","actionType":"llm.completion","credits":%d.5,"dollarAmount":"0.00%d","metadata":{"provider":"acme"}}`,
				r.Uint32(), at, r.IntN(1000), r.IntN(50), r.Uint32(), r.IntN(100), r.IntN(100))
		case 4:
			fmt.Fprintf(&b, `{"kind":"activity","id":"act-%08x","userId":"user-%d","timestamp":%q,"sessionId":"session-%d","action":"workflow.edit","resource":"workflow","resourceId":"workflow-%d","duration":%d,"metadata":{"platform":"web"}}`,
				r.Uint32(), r.IntN(1000), at, r.IntN(5000), r.IntN(50), r.IntN(60000))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func BenchmarkDecode1000(b *testing.B) {
	const n = 1000
	body := mixed(n)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(body, FormatNDJSON, testOptions, func(_ int, _ []byte, _ *Event, fault *Error) bool {
			if fault != nil {
				b.Fatal(fault)
			}
			return true
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// BenchmarkStandard1000 is what Decode is compared with: encoding/json on the
// same body, into a struct, without any of the checks.
func BenchmarkStandard1000(b *testing.B) {
	const n = 1000
	lines := bytes.Split(bytes.TrimSpace(mixed(n)), []byte("\n"))
	type plain struct {
		Kind, Source, ID, Timestamp, StartTime, EndTime, WorkflowID, UserID, ExecutionID, TriggerID, TriggerType, Status string
		StepID, StepType, ActionType, SessionID, Action, Resource, ResourceID                                            string
		Duration, StepCount, WorkflowVersion, InputSize, OutputSize                                                      int64
		Credits, DollarAmount, CreditsUsed                                                                               any
		DependsOn                                                                                                        []string
		Metadata                                                                                                         json.RawMessage
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, line := range lines {
			var e plain
			if err := json.Unmarshal(line, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}
