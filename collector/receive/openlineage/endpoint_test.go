package openlineage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/gather"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
)

func serve(t testing.TB) *receivetest.Endpoint {
	return receivetest.Serve(t, func(r *receive.Receiver) map[string]receive.Protocol {
		cfg := Config{JobNamespace: true}
		return map[string]receive.Protocol{Path: New(r, cfg), BatchPath: NewBatch(r, cfg)}
	})
}

func post(e *receivetest.Endpoint, path, body string) (int, string) {
	return e.Post(path, []byte(body), "Content-Type", "application/json", "Authorization", "Bearer "+receivetest.Key)
}

const jobEvent = `{"eventTime":"2024-05-31T10:00:00Z","job":{"namespace":"n","name":"j"},"producer":"p","schemaURL":"s"}`

func TestOneEvent(t *testing.T) {
	e := serve(t)
	const kept = `{"status":"success","summary":{"received":1,"successful":1,"failed":0,"retriable":0,"non_retriable":0},"failed_events":[]}`
	status, answer := post(e, Path, message1("START", at, "", "", ""))
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, kept, answer)
	f := e.Stored().Fragments
	require.Len(t, f, 1)
	require.Equal(t, "acme openlineage r1", f[0].Tenant+" "+f[0].Source+" "+f[0].Run)

	status, answer = post(e, Path, jobEvent)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, kept, answer)
	require.Zero(t, e.Stored())

	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(message1("START", at, "", "", "")))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	status, answer = e.Post(Path, packed.Bytes(), "Content-Type", "application/json", "Content-Encoding", "gzip", "Authorization", "Bearer "+receivetest.Key)
	require.Equal(t, http.StatusOK, status, answer)
	require.Len(t, e.Stored().Fragments, 1)
}

func TestWhatIsNotTaken(t *testing.T) {
	e := serve(t)
	bad := message1("START", "yesterday", "", "", "")
	for name, tc := range map[string]struct {
		path, body string
		status     int
		code       string
		letter     bool
	}{
		"no JSON":         {Path, "{", 400, "malformed_json", true},
		"empty":           {Path, "", 400, "malformed_json", true},
		"two":             {Path, "{}{}", 400, "malformed_json", true},
		"bad":             {Path, bad, 400, "no_usable_event", true},
		"an array":        {Path, "[" + bad + "]", 400, "no_usable_event", true},
		"not UTF-8":       {Path, "{\xff}", 400, "malformed_json", true},
		"no array":        {BatchPath, bad, 400, "malformed_json", true},
		"a broken batch":  {BatchPath, "[" + jobEvent + ",", 400, "malformed_json", true},
		"a name too long": {Path, strings.Replace(message1("START", at, "", "", ""), "dag.task", strings.Repeat("n", 600), 1), 400, "too_long", true},
		"before 1970":     {Path, message1("START", "1969-12-31T00:00:00Z", "", "", ""), 400, "time_out_of_range", true},
		"too many in one": {BatchPath, "[" + strings.Repeat("0,", 50_000) + "0]", 413, "too_many_events", false},
	} {
		status, answer := post(e, tc.path, tc.body)
		require.Equal(t, tc.status, status, "%s: %s", name, answer)
		require.Contains(t, answer, tc.code, name)
		s := e.Stored()
		require.Empty(t, s.Fragments)
		require.Equal(t, tc.letter, len(s.Letters) == 1, name)
	}
	status, _ := e.Post(Path, []byte(jobEvent), "Content-Type", "application/json")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = e.Post(Path, []byte(jobEvent), "Content-Type", "application/json", "Authorization", "Bearer reader")
	require.Equal(t, http.StatusForbidden, status)
	status, _ = e.Post(Path, []byte(jobEvent), "Content-Type", "text/plain", "Authorization", "Bearer "+receivetest.Key)
	require.Equal(t, http.StatusUnsupportedMediaType, status)
}

func TestABatch(t *testing.T) {
	e := serve(t)
	good, bad := message1("START", at, "", "", ""), message1("DONE", at, "", "", "")
	status, answer := post(e, BatchPath, "["+strings.Join([]string{good, bad, jobEvent, "7", message1("COMPLETE", at, "", "", "")}, ",")+"]")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"status":"partial_success","summary":{"received":5,"successful":3,"failed":2,"retriable":0,"non_retriable":2},"failed_events":[
{"index":1,"reason":"invalid_status: eventType must be START, RUNNING, COMPLETE, FAIL, ABORT or OTHER, not DONE","retriable":false},
{"index":3,"reason":"not_an_object: an event is a JSON object","retriable":false}]}`, answer)
	s := e.Stored()
	require.Len(t, s.Fragments, 2)
	require.Len(t, s.Letters, 2)
	require.JSONEq(t, bad, string(s.Letters[0].Payload))

	for body, summary := range map[string]string{
		"[" + bad + "]": `{"received":1,"successful":0,"failed":1,"retriable":0,"non_retriable":1}`,
		"[]":            `{"received":0,"successful":0,"failed":0,"retriable":0,"non_retriable":0}`,
	} {
		status, answer := post(e, BatchPath, body)
		require.Equal(t, http.StatusOK, status)
		var r struct {
			Summary json.RawMessage `json:"summary"`
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &r))
		require.JSONEq(t, summary, string(r.Summary))
	}
}

func TestADeadLetterIsSentAgain(t *testing.T) {
	e := serve(t)
	good, bad := message1("START", at, "", "", ""), message1("BEGIN", at, "", "", "")
	for path, body := range map[string]string{Path: bad, BatchPath: "[" + good + "," + bad + "]"} {
		post(e, path, body)
		letter := e.Stored().Letters[0]
		require.JSONEq(t, bad, string(letter.Payload))
		require.Equal(t, "still_rejected", string(e.Replay(&letter, letter.Payload).Refusal.Code))
		require.Nil(t, e.Replay(&letter, []byte(good)).Refusal)
		require.Len(t, e.Stored().Fragments, 1)
	}
	post(e, BatchPath, "["+good)
	letter := e.Stored().Letters[0]
	require.Nil(t, e.Replay(&letter, []byte("["+good+"]")).Refusal)
	require.Len(t, e.Stored().Fragments, 1)
}

// What the specification and its documentation have as examples.
func TestExamples(t *testing.T) {
	e := serve(t)
	taken := map[string]string{}
	for _, file := range []string{"openlineage/wire_complete_events.ndjson", "openlineage/docs_events.ndjson"} {
		for line := range strings.Lines(string(receivetest.Payload(t, file))) {
			var example struct {
				Source string          `json:"_source"`
				Event  json.RawMessage `json:"event"`
			}
			require.NoError(t, json.Unmarshal([]byte(line), &example))
			status, _ := post(e, Path, string(example.Event))
			taken[example.Source] = strings.TrimSpace(taken[example.Source] + fmt.Sprint(" ", status))
		}
	}
	wrong := map[string]string{}
	for source, status := range taken {
		if strings.Contains(status, "400") {
			wrong[source] = status
		}
	}
	require.Equal(t, map[string]string{
		// Without eventTime, which the specification requires.
		"proposals/explicit_lineage_facet/ExplicitLineageExamples.md": "400 400 400 400 400 400 400",
		"proposals/explicit_lineage_facet/ExplicitLineageGuide.md":    "400 400 400",
		// Templates of tests.
		"website/docs/integrations/openlineage_compatibility/compatibility_test/reusable_actions_and_common_scripts.md": "400",
		// A parent without a runId: an example of an event that is wrong.
		"proxy/fluentd/events/event_invalid_run_facet.json": "400",
	}, wrong)
	require.Len(t, e.Stored().Fragments, 42-12)
}

// The facets of the specification's own tests are read, each in an event.
func TestFacetsOfTheSpecification(t *testing.T) {
	base := message1("START", at, "", "", "")
	for _, name := range []string{"ParentRunFacet/1", "ParentRunFacet/2", "NominalTimeRunFacet/1", "ErrorMessageRunFacet/1", "ProcessingEngineRunFacet/1", "EnvironmentVariablesRunFacet/1", "TagsRunFacet/1"} {
		facets := receivetest.Payload(t, "openlineage/spec/tests/"+name+".json")
		f := mustRead(t, strings.Replace(base, `"facets":{}`, `"facets":`+string(facets), 1))
		plain := mustRead(t, base)
		if strings.HasPrefix(name, "Env") || strings.HasPrefix(name, "Error") {
			continue // Of a run that fails, and of variables that name no user.
		}
		require.NotEqual(t, plain, f, name)
	}
	for _, name := range []string{"JobTypeJobFacet/1", "JobTypeJobFacet/2", "JobTypeJobFacet/3", "OwnershipJobFacet/1"} {
		facets := receivetest.Payload(t, "openlineage/spec/tests/"+name+".json")
		at := strings.LastIndex(base, `"facets":{}`)
		f := mustRead(t, base[:at]+`"facets":`+string(facets)+base[at+len(`"facets":{}`):])
		require.NotEqual(t, mustRead(t, base), f, name)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(message1("START", at, `"parent":{"run":{"runId":"p"},"job":{"namespace":"a","name":"b"}}`, `"jobType":{"integration":"A"}`, "")))
	f.Add([]byte("[" + message1("FAIL", at, `"errorMessage":{"message":"m"}`, "", `,"inputs":[{}]`) + "," + jobEvent + "]"))
	if files, err := filepath.Glob("../../../../shared/data/payloads/openlineage/spec/tests/*.json"); err == nil {
		for _, file := range files {
			if b, err := os.ReadFile(file); err == nil {
				f.Add(b)
			}
		}
	}
	endpoints := []*Endpoint{{cfg: Config{JobNamespace: true}}, {batch: true}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range endpoints {
			runs := map[string][]event.Fragment{}
			m := receive.Message{Request: httptest.NewRequest(http.MethodPost, Path, nil), Who: receive.Principal{Tenant: "t"}, Body: slices.Clone(body)}
			m.Ignore = func() {}
			m.Fragment = func(f *event.Fragment) bool {
				require.Nil(t, event.ValidateFragment(f))
				runs[f.Run] = append(runs[f.Run], *f)
				return true
			}
			p.Decode(m, func(_ int, _ []byte, _ *event.Event, err *event.Error) bool {
				require.NotNil(t, err)
				return true
			})
			for _, said := range runs {
				for _, e := range gather.Derive(said...) {
					require.Nil(t, event.Validate(&e))
				}
			}
		}
	})
}
