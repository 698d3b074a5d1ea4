package github

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

const runPayload = `{"action":"completed","workflow_run":{"id":30433642,"name":"Build","run_number":562,"run_attempt":2,
"event":"push","path":".github/workflows/build.yml@main","workflow_id":159038,"display_title":"Fix <it>","status":"completed","conclusion":"failure",
"head_branch":"main","head_sha":"acb5820","html_url":"https://github.com/octo/hello/actions/runs/30433642",
"created_at":"2024-01-22T19:33:08Z","run_started_at":"2024-01-23T08:00:00Z","updated_at":"2024-01-23T08:05:30Z",
"actor":{"login":"ann"},"triggering_actor":{"login":"bob"}},
"repository":{"full_name":"octo/hello","html_url":"https://github.com/octo/hello"},"sender":{"login":"carl"}}`

const jobPayload = `{"action":"completed","workflow_job":{"id":77,"run_id":30433642,"run_attempt":2,"workflow_name":"Build",
"html_url":"https://github.com/octo/hello/actions/runs/30433642/job/77","status":"completed","conclusion":"cancelled",
"created_at":"2024-01-23T08:00:01Z","started_at":"2024-01-23T08:00:04Z","completed_at":"2024-01-23T08:00:10Z","name":"test (1.26)",
"steps":[{"name":"Set up job","status":"completed","conclusion":"success","number":1,"started_at":"2024-01-23T08:00:04.000Z","completed_at":"2024-01-23T08:00:06.500Z"},
{"name":"Run tests","status":"completed","conclusion":"cancelled","number":2,"started_at":"2024-01-23T08:00:06.500Z","completed_at":"2024-01-23T08:00:10.000Z"},
{"name":"Upload","status":"completed","conclusion":"skipped","number":3,"started_at":null,"completed_at":null}]},
"repository":{"full_name":"octo/hello","html_url":"https://github.com/octo/hello"}}`

func ms(t testing.TB, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at.UnixMilli()
}

func TestARunIsAnExecution(t *testing.T) {
	e := serve(t)
	status, answer := post(e, path, "workflow_run", []byte(runPayload))
	require.Equal(t, http.StatusAccepted, status)
	require.JSONEq(t, `{"accepted":2,"duplicates":0,"errors":[]}`, answer)
	const facts = `{"branch":"main",%s"repository":"octo/hello","run_number":"562","sha":"acb5820","title":"Fix <it>","url":"https://github.com/octo/hello/actions/runs/30433642"}`
	started := event.Event{
		Kind: event.KindExecution, Status: event.StatusStarted, Tenant: "acme", Source: "github", ID: "github.com/runs/30433642/2",
		Time: ms(t, "2024-01-23T08:00:00Z"), PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		WorkflowID: "octo/hello/.github/workflows/build.yml", UserID: "bob", Attempt: 2, TriggerType: "push",
		Metadata: fmt.Sprintf(facts, ""),
	}
	ended := started
	ended.Status, ended.Time, ended.Duration, ended.ErrorType = event.StatusFailed, ms(t, "2024-01-23T08:05:30Z"), 330_000, "failure"
	ended.Metadata = fmt.Sprintf(facts, `"conclusion":"failure",`)
	require.Equal(t, []event.Event{started, ended}, e.Stored().Events)

	for _, action := range []string{"requested", "in_progress"} {
		body := strings.NewReplacer(`"completed","workflow_run"`, `"`+action+`","workflow_run"`, `"failure"`, "null").Replace(runPayload)
		status, _ := post(e, path, "workflow_run", []byte(body))
		require.Equal(t, http.StatusAccepted, status)
		require.Equal(t, []event.Event{started}, e.Stored().Events, "the same event each time")
	}
}

func TestConclusions(t *testing.T) {
	e := serve(t)
	for conclusion, want := range map[string]string{
		"success": "completed ", "neutral": "completed ", "skipped": "completed ",
		"failure": "failed failure", "cancelled": "failed cancelled", "timed_out": "failed timed_out",
		"startup_failure": "failed startup_failure", "stale": "failed stale", "new_one": "failed new_one",
	} {
		post(e, path, "workflow_run", []byte(strings.Replace(runPayload, `"failure"`, `"`+conclusion+`"`, 1)))
		events := e.Stored().Events
		require.Len(t, events, 2, conclusion)
		require.Equal(t, want, events[1].Status.String()+" "+events[1].ErrorType)
		require.Contains(t, events[1].Metadata, `"conclusion":"`+conclusion+`"`)
	}
}

func TestTimesOfRuns(t *testing.T) {
	e := serve(t)
	for name, tc := range map[string]struct {
		edit                    []string
		start, end, queued, len string
	}{
		"first attempt":       {[]string{`"run_attempt":2`, `"run_attempt":1`}, "2024-01-23T08:00:00Z", "2024-01-23T08:05:30Z", "2024-01-22T19:33:08Z", "330000"},
		"no attempt":          {[]string{`"run_attempt":2,`, ""}, "2024-01-23T08:00:00Z", "2024-01-23T08:05:30Z", "2024-01-22T19:33:08Z", "330000"},
		"no start":            {[]string{`"run_started_at"`, `"x"`}, "2024-01-22T19:33:08Z", "2024-01-23T08:05:30Z", "", "45142000"},
		"ends before it runs": {[]string{"08:05:30Z", "07:05:30Z"}, "2024-01-23T08:00:00Z", "2024-01-23T08:00:00Z", "", "0"},
	} {
		post(e, path, "workflow_run", []byte(strings.NewReplacer(tc.edit...).Replace(runPayload)))
		events := e.Stored().Events
		require.Len(t, events, 2, name)
		require.Equal(t, ms(t, tc.start), events[0].Time, name)
		require.Equal(t, ms(t, tc.end), events[1].Time, name)
		require.Equal(t, tc.len, strconv.FormatInt(events[1].Duration, 10), name)
		queued := event.NoTime
		if tc.queued != "" {
			queued = ms(t, tc.queued)
		}
		require.Equal(t, queued, events[1].QueuedTime, name)
	}
}

func TestAJobIsAStep(t *testing.T) {
	e := serve(t)
	status, answer := post(e, path, "workflow_job", []byte(jobPayload))
	require.Equal(t, http.StatusAccepted, status, answer)
	require.Equal(t, []event.Event{{
		Kind: event.KindStep, Status: event.StatusFailed, Tenant: "acme", Source: "github", ID: "github.com/jobs/77",
		ExecutionID: "github.com/runs/30433642/2", StepID: "test (1.26)", StepType: "job", Attempt: 2,
		Time: ms(t, "2024-01-23T08:00:04Z"), EndTime: ms(t, "2024-01-23T08:00:10Z"), Duration: 6000, QueuedTime: ms(t, "2024-01-23T08:00:01Z"),
		PreviousTime: event.NoTime,
	}}, e.Stored().Events)

	status, answer = post(e, stepsPath, "workflow_job", []byte(jobPayload))
	require.Equal(t, http.StatusAccepted, status, answer)
	var got []string
	for _, s := range e.Stored().Events {
		got = append(got, fmt.Sprint(s.ID, " ", s.StepID, " ", s.StepType, " ", s.Status, " ", s.Time-ms(t, "2024-01-23T08:00:04Z"), "+", s.Duration))
	}
	require.Equal(t, []string{
		"github.com/jobs/77/1 test (1.26) / Set up job step completed 0+2500",
		"github.com/jobs/77/2 test (1.26) / Run tests step failed 2500+3500",
		"github.com/jobs/77/3 test (1.26) / Upload step skipped 0+0",
	}, got)
}

func TestJobsThatDidNotRun(t *testing.T) {
	e := serve(t)
	for name, tc := range map[string]struct {
		body string
		want string
	}{
		"skipped":          {`"conclusion":"skipped","started_at":"2024-01-23T08:00:04Z","completed_at":"2024-01-23T08:00:03Z"`, "skipped 4000+0"},
		"skipped, created": {`"conclusion":"skipped","created_at":"2024-01-23T08:00:02Z"`, "skipped 2000+0"},
		"cancelled":        {`"conclusion":"cancelled","started_at":null,"completed_at":"2024-01-23T08:00:03Z"`, "failed 3000+0"},
	} {
		body := `{"action":"completed","workflow_job":{"id":1,"run_id":2,"name":"a","steps":[],` + tc.body + `}}`
		for _, p := range []string{path, stepsPath} {
			status, answer := post(e, p, "workflow_job", []byte(body))
			require.Equal(t, http.StatusAccepted, status, answer)
			s := e.Stored().Events[0]
			require.Equal(t, tc.want, fmt.Sprint(s.Status, " ", s.Time-ms(t, "2024-01-23T08:00:00Z"), "+", s.Duration), name)
			require.Equal(t, "github.com/runs/2/1", s.ExecutionID)
		}
	}
	status, _ := post(e, path, "workflow_job", []byte(strings.Replace(jobPayload, `"completed","workflow_job"`, `"queued","workflow_job"`, 1)))
	require.Equal(t, http.StatusAccepted, status)
	require.Zero(t, e.Stored())
	status, _ = post(e, path, "workflow_job", []byte(`{"action":"completed","workflow_job":{"id":1,"run_id":2,"name":"a","conclusion":"success"}}`))
	require.Equal(t, http.StatusBadRequest, status)
	require.Len(t, e.Stored().Letters, 1)
}

func TestRealPayloads(t *testing.T) {
	e := serve(t)
	for name, want := range map[string]string{
		"workflow_run/completed.payload.json":                           "2 github.com/runs/289782451/1 octo-org/octo-repo/.github/workflows/test.yml Codertocat repository_dispatch",
		"workflow_run/completed.with-pull-requests.payload.json":        "2 github.com/runs/289782451/1 octo-org/octo-repo/.github/workflows/test.yml Codertocat repository_dispatch",
		"workflow_run/requested.payload.json":                           "1 github.com/runs/289782451/1 octo-org/octo-repo/.github/workflows/test.yml Codertocat repository_dispatch",
		"workflow_run/requested.with-conclusion.payload.json":           "0",
		"workflow_job/completed.success.with-organization.payload.json": "1 github.com/jobs/289782451   ",
		"workflow_job/in_progress.payload.json":                         "0",
		"workflow_job/in_progress.with-queued-steps.payload.json":       "0",
		"workflow_job/queued.payload.json":                              "0",
		"workflow_job/queued.with-deployment.payload.json":              "0",
		"workflow_job/waiting.payload.json":                             "0",
		"workflow_dispatch/payload.json":                                "0",
	} {
		kind, _, _ := strings.Cut(name, "/")
		status, answer := post(e, path, kind, receivetest.Payload(t, "github/"+name))
		require.Equal(t, http.StatusAccepted, status, answer)
		events := e.Stored().Events
		got := strconv.Itoa(len(events))
		if len(events) > 0 {
			last := events[len(events)-1]
			got = strings.Join([]string{got, last.ID, last.WorkflowID, last.UserID, last.TriggerType}, " ")
		}
		require.Equal(t, want, got, name)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("workflow_run", []byte(runPayload))
	f.Add("workflow_job", []byte(jobPayload))
	f.Add("ping", []byte("{}"))
	var hooks []*Hook
	for _, level := range []Level{Jobs, Steps} {
		h, err := New(webhook.Hook{ID: "i", Tenant: "t", Secrets: []string{"s"}}, level)
		require.NoError(f, err)
		hooks = append(hooks, h)
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		req := httptest.NewRequest(http.MethodPost, path, nil)
		req.Header.Set("X-GitHub-Event", kind)
		req.Header.Set("X-Hub-Signature-256", sign("s", body))
		for _, h := range hooks {
			m := receive.Message{Request: req, Who: receive.Principal{Tenant: "t"}, ContentType: mediaJSON, Body: body}
			h.Decode(m, func(_ int, _ []byte, e *event.Event, err *event.Error) bool {
				if err == nil {
					require.Nil(t, event.Validate(e))
				}
				return true
			})
		}
	})
}
