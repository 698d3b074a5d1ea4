package github

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

const (
	path      = Path + "ci"
	stepsPath = Path + "steps"
)

func serve(t testing.TB) *receivetest.Endpoint {
	return receivetest.Serve(t, func(*receive.Receiver) map[string]receive.Protocol {
		jobs, err := New(webhook.Hook{ID: "ci", Tenant: "acme", Secrets: []string{"old", "new"}}, "")
		require.NoError(t, err)
		steps, err := New(webhook.Hook{ID: "steps", Tenant: "acme", Secrets: []string{"new"}}, Steps)
		require.NoError(t, err)
		return map[string]receive.Protocol{path: jobs, stepsPath: steps}
	})
}

func sign(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return signaturePrefix + hex.EncodeToString(h.Sum(nil))
}

func post(e *receivetest.Endpoint, path, kind string, body []byte) (int, string) {
	return e.Post(path, body, "Content-Type", "application/json", "X-GitHub-Event", kind,
		"X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958", "X-Hub-Signature-256", sign("new", body))
}

func TestSignature(t *testing.T) {
	e := serve(t)
	body := []byte(`{"zen":"Keep it logically awesome."}`)
	for name, tc := range map[string]struct {
		signature string
		status    int
	}{
		"right":       {sign("new", body), http.StatusOK},
		"old":         {sign("old", body), http.StatusOK},
		"wrong":       {sign("other", body), http.StatusUnauthorized},
		"other body":  {sign("new", append(body, ' ')), http.StatusUnauthorized},
		"none":        {"", http.StatusUnauthorized},
		"sha1":        {"sha1=0123456789012345678901234567890123456789", http.StatusUnauthorized},
		"no prefix":   {strings.TrimPrefix(sign("new", body), signaturePrefix), http.StatusUnauthorized},
		"cut":         {sign("new", body)[:60], http.StatusUnauthorized},
		"not in hex":  {signaturePrefix + strings.Repeat("z", 64), http.StatusUnauthorized},
		"empty, keys": {sign("", body), http.StatusUnauthorized},
	} {
		status, answer := e.Post(path, body, "Content-Type", "application/json", "X-GitHub-Event", "ping", "X-Hub-Signature-256", tc.signature)
		require.Equal(t, tc.status, status, "%s: %s", name, answer)
	}
	status, _ := e.Post(Path+"other", body, "Content-Type", "application/json", "X-GitHub-Event", "ping", "X-Hub-Signature-256", sign("new", body))
	require.Equal(t, http.StatusNotFound, status)
	require.Zero(t, e.Stored(), "what nobody signed leaves nothing")
}

// The example of GitHub's documentation.
func TestSignatureOfTheDocumentation(t *testing.T) {
	require.Equal(t, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		sign("It's a Secret to Everybody", []byte("Hello, World!")))
	mac, err := hex.DecodeString("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	require.NoError(t, err)
	require.True(t, webhook.HMAC([][]byte{[]byte("It's a Secret to Everybody")}, mac, []byte("Hello, World!")))
}

func TestWhatIsNotTaken(t *testing.T) {
	e := serve(t)
	good := []byte(runPayload)
	headers := func(more ...string) []string {
		return append([]string{"Content-Type", "application/json", "X-GitHub-Event", "workflow_run", "X-Hub-Signature-256", sign("new", good)}, more...)
	}
	for name, tc := range map[string]struct {
		body    []byte
		headers []string
		status  int
		code    string
	}{
		"packed":        {good, headers("Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, "unsupported_encoding"},
		"text":          {good, headers("Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "unsupported_media_type"},
		"no event":      {good, headers("X-GitHub-Event", ""), http.StatusBadRequest, "missing_field"},
		"other event":   {good, headers("X-GitHub-Event", "issues"), http.StatusAccepted, "ignored"},
		"form as JSON":  {good, headers("Content-Type", mediaForm), http.StatusBadRequest, "malformed_json"},
		"no JSON":       {[]byte("{"), nil, http.StatusBadRequest, "malformed_json"},
		"no run":        {[]byte("{}"), nil, http.StatusBadRequest, "malformed_json"},
		"another type":  {[]byte(`{"workflow_run":{"id":"x"}}`), nil, http.StatusBadRequest, "malformed_json"},
		"other action":  {[]byte(`{"action":"renamed","workflow_run":{"id":1}}`), nil, http.StatusAccepted, "ignored"},
		"approval":      {[]byte(strings.Replace(runPayload, "failure", "action_required", 1)), nil, http.StatusAccepted, "ignored"},
		"no conclusion": {[]byte(strings.Replace(runPayload, `"failure"`, "null", 1)), nil, http.StatusMultiStatus, "missing_field"},
		"no times":      {[]byte(`{"action":"completed","workflow_run":{"id":1,"conclusion":"success"}}`), nil, http.StatusBadRequest, "no_usable_event"},
	} {
		if tc.headers == nil {
			tc.headers = []string{"Content-Type", "application/json", "X-GitHub-Event", "workflow_run", "X-Hub-Signature-256", sign("new", tc.body)}
		}
		status, answer := e.Post(path, tc.body, tc.headers...)
		require.Equal(t, tc.status, status, "%s: %s", name, answer)
		require.Contains(t, answer, tc.code, name)
	}
}

// A body that does not say how long it is is read as far as GitHub's may be.
func TestTooLarge(t *testing.T) {
	e := serve(t)
	for _, length := range []int64{-1, webhook.MaxBody + 1} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+path, io.LimitReader(zeros{}, webhook.MaxBody+1))
		require.NoError(t, err)
		req.ContentLength = length
		req.Header.Set("Expect", "100-continue") // The answer may come before the body is asked for.
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Hub-Signature-256", sign("new", nil))
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestConfiguration(t *testing.T) {
	for _, hook := range []webhook.Hook{{Tenant: "t", Secrets: []string{"s"}}, {ID: "i", Secrets: []string{"s"}}, {ID: "i", Tenant: "t"}} {
		_, err := New(hook, Jobs)
		require.Error(t, err)
	}
	_, err := New(webhook.Hook{ID: "i", Tenant: "t", Secrets: []string{"s"}}, "both")
	require.ErrorContains(t, err, "both")
}

func TestAFormIsTakenToo(t *testing.T) {
	e := serve(t)
	body := []byte(url.Values{"payload": {runPayload}}.Encode())
	status, answer := e.Post(path, body, "Content-Type", mediaForm, "X-GitHub-Event", "workflow_run", "X-Hub-Signature-256", sign("old", body))
	require.Equal(t, http.StatusAccepted, status, answer)
	require.Len(t, e.Stored().Events, 2)
	body = []byte("payload=%zz")
	status, answer = e.Post(path, body, "Content-Type", mediaForm, "X-GitHub-Event", "workflow_run", "X-Hub-Signature-256", sign("old", body))
	require.Equal(t, http.StatusBadRequest, status, answer)
	require.Equal(t, []event.DeadLetter{{
		Tenant: "acme", KeyID: "github:ci", Path: path, ContentType: mediaForm, Index: -1, Code: event.CodeMalformedJSON,
		Message: "the form has no field payload", Payload: body,
	}}, e.Stored().Letters)
}

// What was wrong is corrected and sent again, without the headers that it came with.
func TestADeadLetterIsSentAgain(t *testing.T) {
	e := serve(t)
	wrong := strings.NewReplacer(`"run_started_at":"2024-01-23T08:00:00Z"`, `"x":0`, `"created_at":"2024-01-22T19:33:08Z"`, `"y":0`).Replace(runPayload)
	body := []byte(url.Values{"payload": {wrong}}.Encode())
	status, _ := e.Post(path, body, "Content-Type", mediaForm, "X-GitHub-Event", "workflow_run", "X-Hub-Signature-256", sign("new", body))
	require.Equal(t, http.StatusBadRequest, status)
	letter := e.Stored().Letters[0]
	require.Equal(t, body, letter.Payload)
	require.Equal(t, "still_rejected", string(e.Replay(&letter, letter.Payload).Refusal.Code))
	require.Zero(t, e.Stored())
	outcome := e.Replay(&letter, []byte(url.Values{"payload": {runPayload}}.Encode()))
	require.Nil(t, outcome.Refusal)
	require.Len(t, e.Stored().Events, 2)

	status, _ = post(e, stepsPath, "workflow_job", []byte(strings.Replace(jobPayload, `"Run tests"`, `""`, 1)))
	require.Equal(t, http.StatusAccepted, status, "it has the job's name")
	e.Stored()
	status, _ = post(e, stepsPath, "workflow_job", []byte(strings.Replace(jobPayload, `"conclusion":"skipped"`, `"conclusion":""`, 1)))
	require.Equal(t, http.StatusMultiStatus, status)
	letter = e.Stored().Letters[0]
	require.Nil(t, e.Replay(&letter, []byte(jobPayload)).Refusal)
	require.Len(t, e.Stored().Events, 3)
}
