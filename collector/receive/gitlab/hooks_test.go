package gitlab

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/gather"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
)

// hook writes a Pipeline Hook.
func hook(status, more string, builds ...string) string {
	return `{"object_kind":"pipeline","object_attributes":{"id":31,"ref":"main","sha":"bcbb","source":"schedule","status":"` + status + `",
"created_at":"2024-05-31 10:00:00 UTC","variables":[{"key":"PASSWORD","value":"geheim"}],"url":"https://gl.example/g/p/-/pipelines/31"` + more + `},
"merge_request":{"iid":7},"user":{"username":"ann","email":"ann@example.com"},
"project":{"path_with_namespace":"g/p","web_url":"https://gl.example/g/p"},"builds":[` + strings.Join(builds, ",") + `]}`
}

const (
	compile = `{"id":1,"stage":"build","name":"compile","status":"success","created_at":"2024-05-31 10:00:00 UTC","started_at":"2024-05-31 10:00:10 UTC",
"finished_at":"2024-05-31 10:01:00 UTC","duration":50.25,"queued_duration":1.5,"user":{"username":"ann"}}`
	testing1 = `{"id":2,"stage":"test","name":"test","status":"failed","failure_reason":"script_failure","created_at":"2024-05-31 10:00:00 UTC",
"started_at":"2024-05-31 10:01:00 UTC","finished_at":"2024-05-31 10:02:00 UTC"}`
	testing2 = `{"id":5,"stage":"test","name":"test","status":"success","created_at":"2024-05-31 10:30:00 UTC",
"started_at":"2024-05-31 10:30:01 UTC","finished_at":"2024-05-31 10:31:00 UTC"}`
	flaky = `{"id":3,"stage":"test","name":"flaky","status":"failed","allow_failure":true,"failure_reason":"job_execution_timeout","created_at":"2024-05-31 10:00:00 UTC",
"started_at":"2024-05-31 10:01:00 UTC","finished_at":"2024-05-31 10:01:30 UTC"}`
	deploySkipped = `{"id":4,"stage":"deploy","name":"deploy","status":"skipped","created_at":"2024-05-31 10:00:00 UTC"}`
	deployed      = `{"id":4,"stage":"deploy","name":"deploy","status":"success","created_at":"2024-05-31 10:00:00 UTC",
"started_at":"2024-05-31 10:31:00 UTC","finished_at":"2024-05-31 10:32:00 UTC"}`
)

// what GitLab sends of a pipeline that failed, and succeeded when a job was retried.
var story = []string{
	hook("pending", "", `{"id":1,"name":"compile","stage":"build","status":"pending","created_at":"2024-05-31 10:00:00 UTC"}`),
	hook("running", `,"queued_duration":10`),
	hook("failed", `,"queued_duration":10,"finished_at":"2024-05-31 10:02:00 UTC","duration":110`, deploySkipped, testing1, flaky, compile),
	hook("running", `,"queued_duration":10`, flaky, compile, `{"id":5,"stage":"test","name":"test","status":"running"}`),
	hook("success", `,"queued_duration":10,"finished_at":"2024-05-31 10:32:00 UTC","duration":229`, compile, testing2, flaky, deployed),
	`{"object_kind":"build","build_id":5,"build_name":"test","build_stage":"test","build_status":"success","build_created_at":"2024-05-31 10:30:00 UTC",
"build_started_at":"2024-05-31 10:30:01 UTC","build_finished_at":"2024-05-31 10:31:00 UTC","build_duration":59.1,"retries_count":1,"pipeline_id":31,
"project_name":"g / p","user":{"username":"bob"},"repository":{"homepage":"https://gl.example/g/p"}}`,
}

// lines are the events that are made of fragments of any runs.
func lines(fragments []event.Fragment) []string {
	runs := map[string][]event.Fragment{}
	var order, out []string
	for _, f := range fragments {
		if runs[f.Run] == nil {
			order = append(order, f.Run)
		}
		runs[f.Run] = append(runs[f.Run], f)
	}
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05") }
	for _, run := range order {
		for _, e := range gather.Derive(runs[run]...) {
			line := fmt.Sprint(e.Kind, " ", e.ID, " ", e.Status, " ", at(e.Time), " ", e.Duration, " ", e.WorkflowID, " ", e.UserID)
			if e.QueuedTime != event.NoTime {
				line += " queued " + at(e.QueuedTime)
			}
			if e.Kind == event.KindStep {
				line += fmt.Sprint(" ", e.ExecutionID, " ", e.StepType, ":", e.StepID, " attempt ", e.Attempt)
			} else {
				line += fmt.Sprint(" ", e.TriggerType, " ", e.ErrorType, " ", e.ErrorMessage)
			}
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func TestARetriedPipeline(t *testing.T) {
	e := serve(t)
	var said []event.Fragment
	tell := func(hook string) []string {
		status, answer := post(e, hook)
		require.Equal(t, http.StatusAccepted, status, answer)
		s := e.Stored()
		require.Empty(t, s.Events)
		said = append(said, s.Fragments...)
		return lines(said)
	}
	require.Empty(t, tell(story[0]))
	const started = "execution gl.example/pipelines/31 started 10:00:10 0 g/p ann queued 10:00:00 schedule"
	require.Equal(t, []string{started}, tell(story[1]))
	require.Equal(t, []string{
		started,
		"execution gl.example/pipelines/31 failed 10:02:00 110000 g/p ann queued 10:00:00 schedule script_failure test: script_failure",
		"step gl.example/jobs/1 completed 10:00:10 50250 g/p ann queued 10:00:08 gl.example/pipelines/31 build:compile attempt 0",
		"step gl.example/jobs/2 failed 10:01:00 60000 g/p  gl.example/pipelines/31 test:test attempt 0",
		"step gl.example/jobs/3 failed 10:01:00 30000 g/p  gl.example/pipelines/31 test:flaky attempt 0",
		"step gl.example/jobs/4 skipped 10:00:00 0 g/p  gl.example/pipelines/31 deploy:deploy attempt 0",
	}, tell(story[2]))
	tell(story[3])
	tell(story[4])
	want := []string{
		started,
		"execution gl.example/pipelines/31 completed 10:32:00 229000 g/p ann queued 10:00:00 schedule",
		"step gl.example/jobs/1 completed 10:00:10 50250 g/p ann queued 10:00:08 gl.example/pipelines/31 build:compile attempt 0",
		"step gl.example/jobs/2 failed 10:01:00 60000 g/p  gl.example/pipelines/31 test:test attempt 0",
		"step gl.example/jobs/3 failed 10:01:00 30000 g/p  gl.example/pipelines/31 test:flaky attempt 0",
		"step gl.example/jobs/4 completed 10:31:00 60000 g/p  gl.example/pipelines/31 deploy:deploy attempt 0",
		"step gl.example/jobs/5 completed 10:30:01 59100 g/p bob gl.example/pipelines/31 test:test attempt 2",
	}
	require.Equal(t, want, tell(story[5]))
	for _, f := range said {
		require.NotContains(t, fmt.Sprint(f), "geheim")
		require.NotContains(t, fmt.Sprint(f), "ann@example.com")
	}

	rapid.Check(t, func(t *rapid.T) {
		hooks := append(rapid.Permutation(story).Draw(t, "order"), rapid.SampledFrom(story).Draw(t, "again"))
		said = said[:0]
		for _, h := range hooks {
			status, _ := post(e, h)
			require.Equal(t, http.StatusAccepted, status)
			said = append(said, e.Stored().Fragments...)
		}
		require.ElementsMatch(t, want, lines(said))
	})
}

func TestPipelinesOfOtherKinds(t *testing.T) {
	for name, tc := range map[string]struct {
		hook string
		want []string
	}{
		"canceled": {hook("canceled", `,"finished_at":"2024-05-31T12:01:00+02:00"`), []string{
			"execution gl.example/pipelines/31 started 10:00:00 0 g/p ann queued 10:00:00 schedule",
			"execution gl.example/pipelines/31 failed 10:01:00 60000 g/p ann queued 10:00:00 schedule canceled",
		}},
		"skipped": {hook("skipped", ""), []string{
			"execution gl.example/pipelines/31 started 10:00:00 0 g/p ann queued 10:00:00 schedule",
			"execution gl.example/pipelines/31 completed 10:00:00 0 g/p ann queued 10:00:00 schedule",
		}},
		"no end said": {hook("success", "", compile), []string{
			"execution gl.example/pipelines/31 started 10:00:00 0 g/p ann queued 10:00:00 schedule",
			"execution gl.example/pipelines/31 completed 10:01:00 60000 g/p ann queued 10:00:00 schedule",
			"step gl.example/jobs/1 completed 10:00:10 50250 g/p ann queued 10:00:08 gl.example/pipelines/31 build:compile attempt 0",
		}},
		"local time": {strings.ReplaceAll(hook("success", `,"finished_at":"2024-05-31 10:00:09 UTC"`), "10:00:00 UTC", "15:30:00 +0530"), []string{
			"execution gl.example/pipelines/31 started 10:00:00 0 g/p ann queued 10:00:00 schedule",
			"execution gl.example/pipelines/31 completed 10:00:09 9000 g/p ann queued 10:00:00 schedule",
		}},
		"waits for somebody": {hook("manual", ""), nil},
	} {
		e := serve(t)
		status, answer := post(e, tc.hook)
		require.Equal(t, http.StatusAccepted, status, answer)
		require.Equal(t, tc.want, lines(e.Stored().Fragments), name)
	}
}

func TestFactsOfAPipeline(t *testing.T) {
	e := serve(t)
	child := strings.Replace(hook("running", `,"tag":true`), `"builds"`,
		`"source_pipeline":{"project":{"web_url":"https://gl.example/a/b"},"pipeline_id":30},"builds"`, 1)
	post(e, child)
	f := e.Stored().Fragments[0]
	require.Equal(t, "gl.example/pipelines/30", f.TriggerID)
	require.Equal(t, []event.Fact{
		{Name: "merge_request", Value: "7"},
		{Name: "repository", Value: "g/p"},
		{Name: "sha", Value: "bcbb"},
		{Name: "tag", Value: "main"},
		{Name: "url", Value: "https://gl.example/g/p/-/pipelines/31"},
	}, f.Facts)
}

func TestTheDocumentationsPayload(t *testing.T) {
	e := serve(t)
	status, answer := post(e, string(receivetest.Payload(t, "gitlab/pipeline.json")))
	require.Equal(t, http.StatusAccepted, status, answer)
	require.Equal(t, []string{
		"execution 192.168.64.1:3005/pipelines/31 started 15:23:40 0 gitlab-org/gitlab-test user1 queued 15:23:28 merge_request_event",
		"execution 192.168.64.1:3005/pipelines/31 completed 15:26:29 63000 gitlab-org/gitlab-test user1 queued 15:23:28 merge_request_event",
		"step 192.168.64.1:3005/jobs/376 completed 15:24:56 30000 gitlab-org/gitlab-test user1 192.168.64.1:3005/pipelines/31 build:build-image attempt 0",
		"step 192.168.64.1:3005/jobs/377 completed 15:26:12 0 gitlab-org/gitlab-test user1 192.168.64.1:3005/pipelines/31 test:test-image attempt 0",
		"step 192.168.64.1:3005/jobs/378 completed 15:26:12 17000 gitlab-org/gitlab-test user1 192.168.64.1:3005/pipelines/31 test:test-build attempt 0",
		"step 192.168.64.1:3005/jobs/380 skipped 15:23:28 0 gitlab-org/gitlab-test user1 192.168.64.1:3005/pipelines/31 deploy:production attempt 0",
	}, lines(e.Stored().Fragments))
}

func FuzzDecode(f *testing.F) {
	for _, h := range story {
		f.Add([]byte(h))
	}
	h := New(configured(f, "s"))
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest(http.MethodPost, Path, nil)
		req.Header.Set(givenHeader, "s")
		m := receive.Message{Request: req, Who: receive.Principal{Tenant: "t"}, Body: body}
		runs := map[string][]event.Fragment{}
		m.Fragment = func(f *event.Fragment) bool {
			require.Nil(t, event.ValidateFragment(f))
			runs[f.Run] = append(runs[f.Run], *f)
			return true
		}
		h.Decode(m, func(_ int, _ []byte, _ *event.Event, err *event.Error) bool {
			require.NotNil(t, err)
			return true
		})
		for _, said := range runs {
			for _, e := range gather.Derive(said...) {
				require.Nil(t, event.Validate(&e))
			}
		}
	})
}
