package source_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
)

const path = "/plugins/test-source/hook"

// activity is an event of the kind that test-source may make.
func activity(id, rest string) string {
	return fmt.Sprintf(`{"kind":"activity","id":%q,"timestamp":"2026-03-01T10:00:00Z","action":"open","userId":"ann"%s}`, id, rest)
}

func order(t *testing.T, members map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return text
}

func answer(t *testing.T, events string) []byte {
	t.Helper()
	return order(t, map[string]any{"how": "answer", "events": events})
}

func TestARequestBecomesEvents(t *testing.T) {
	t.Parallel()
	e := run(t, nil, time.Minute).serve(t, "umbrella")
	status, text := e.Post(path, answer(t, activity("a1", "")+"\n\n"+activity("a2", `,"tenantId":"umbrella"`)+"\n"))
	require.Equal(t, http.StatusAccepted, status, text)
	assert.JSONEq(t, `{"accepted":2,"duplicates":0,"errors":[]}`, text)
	stored := e.Stored()
	require.Len(t, stored.Events, 2)
	assert.Equal(t, "a1", stored.Events[0].ID)
	assert.Equal(t, "umbrella", stored.Events[0].Tenant)

	status, text = e.Post(path, answer(t, activity("a3", "")), "Authorization", "Bearer "+receivetest.Key)
	require.Equal(t, http.StatusAccepted, status, text)
	assert.Equal(t, "acme", e.Stored().Events[0].Tenant, "the key says whose it is")
}

func TestWhoSendsMustBeKnown(t *testing.T) {
	t.Parallel()
	r := run(t, nil, time.Minute)
	e := r.serve(t, "umbrella")
	for key, want := range map[string]int{"wrong": 401, "reader": 403, "away": 503} {
		status, text := e.Post(path, answer(t, activity("a", "")), "Authorization", "Bearer "+key)
		assert.Equal(t, want, status, text)
	}
	e = r.serve(t, "")
	status, text := e.Post(path, answer(t, activity("a", "")))
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Contains(t, text, "name the tenant of plugin test-source")
	assert.Empty(t, e.Stored().Events)
}

func TestAPluginSeesWhatItMay(t *testing.T) {
	t.Parallel()
	e := run(t, nil, time.Minute).serve(t, "umbrella")
	url := e.URL + "/plugins/test-source/a%20b/c?x=1&y=%20"
	header := http.Header{"X-Signature": {"s1", "s\xff2"}, "X-Secret": {"s"}, "Cookie": {"session=1"}, "Authorization": {"Bearer " + receivetest.Key}}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
		res, text := do(t, method, url, "", header)
		require.Equal(t, http.StatusOK, res.StatusCode, text)
		assert.JSONEq(t, fmt.Sprintf(`{"method":%q,"path":"/a b/c","query":"x=1&y=%%20","tenant":"acme","authenticated":true,
			"headers":[{"name":"x-signature","value":"s1"},{"name":"x-signature","value":"s\ufffd2"}]}`, method), text)
		assert.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
		assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
	}
	res, text := do(t, http.MethodGet, url, "", http.Header{"Authorization": {"Basic dGhlaXJz"}})
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, text, `"authenticated":false`)
	assert.Contains(t, text, `"tenant":"umbrella"`)

	res, _ = do(t, http.MethodGet, e.URL+"/plugins/test-source/"+strings.Repeat("x", 2000), "", nil)
	assert.Equal(t, http.StatusRequestURITooLong, res.StatusCode)
	res, _ = do(t, http.MethodGet, e.URL+"/plugins/test-source/%ff", "", nil)
	assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	many := http.Header{}
	for range 65 {
		many.Add("X-Other", "v")
	}
	res, _ = do(t, http.MethodGet, url, "", many)
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	res, _ = do(t, http.MethodGet, url, "", http.Header{"X-Other": {strings.Repeat("v", 65<<10)}})
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	res, _ = do(t, http.MethodDelete, url, "", nil)
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

func TestAPluginChoosesTheAnswer(t *testing.T) {
	t.Parallel()
	e := run(t, nil, time.Minute).serve(t, "umbrella")
	res, text := do(t, http.MethodPost, e.URL+path, string(order(t, map[string]any{"how": "answer", "status": 200, "body": "challenge"})), nil)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "challenge", text)
	assert.Equal(t, "text/plain; charset=utf-8", res.Header.Get("Content-Type"))

	status, text := e.Post(path, order(t, map[string]any{"how": "answer", "status": 401, "body": "the signature is wrong"}))
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "the signature is wrong", text)
	status, text = e.Post(path, order(t, map[string]any{"how": "answer", "status": 201, "type": "application/json", "body": `{"taken":true}`, "events": activity("a", "")}))
	assert.Equal(t, http.StatusCreated, status)
	assert.JSONEq(t, `{"taken":true}`, text)
	stored := e.Stored()
	assert.Len(t, stored.Events, 1)
	assert.Empty(t, stored.Letters)
}

func TestAnEventThatIsNotValidRefusesTheRequest(t *testing.T) {
	t.Parallel()
	r := run(t, nil, time.Minute)
	e := r.serve(t, "umbrella")
	for name, bad := range map[string]string{
		"time":   `{"kind":"activity","id":"bad","timestamp":"2199-01-01T00:00:00Z","action":"open"}`,
		"a line": `{"kind":`,
		"kind":   `{"kind":"colour","id":"bad"}`,
	} {
		t.Run(name, func(t *testing.T) {
			body := answer(t, activity("good", "")+"\n"+bad+"\n"+activity("after", ""))
			status, text := e.Post(path, body, "Content-Type", "application/json")
			assert.Equal(t, http.StatusBadRequest, status, text)
			assert.Contains(t, text, "plugin test-source has made an event of this that cannot be taken: event 1")
			stored := e.Stored()
			assert.Empty(t, stored.Events)
			require.Len(t, stored.Letters, 1)
			l := stored.Letters[0]
			assert.Equal(t, string(body), string(l.Payload))
			assert.Equal(t, path, l.Path)
			assert.Equal(t, "umbrella", l.Tenant)
			assert.Equal(t, "plugin:test-source", l.KeyID)

			again := e.Replay(&l, answer(t, activity("mended", "")))
			require.Nil(t, again.Refusal)
			assert.Equal(t, "mended", e.Stored().Events[0].ID)
			again = e.Replay(&l, l.Payload)
			require.NotNil(t, again.Refusal)
			assert.Equal(t, http.StatusBadRequest, again.Refusal.Status)
			require.Empty(t, e.Stored().Letters, "what is rejected again stays where it is")
		})
	}
	require.NoError(t, r.Err(), "it has not failed")
	// To a plugin a replay is from somebody who may.
	again := e.Replay(&event.DeadLetter{Tenant: "umbrella", Path: path}, nil)
	require.NotNil(t, again.Refusal)
	assert.Equal(t, "nothing_kept", string(again.Refusal.Code))
}

func TestARefusalIsKeptOfWhoHasAKey(t *testing.T) {
	t.Parallel()
	r := run(t, nil, time.Minute)
	e := r.serve(t, "umbrella")
	for range 5 {
		status, text := e.Post(path, order(t, map[string]any{"how": "refuse"}))
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, text, "plugin test-source: the signature is wrong")
	}
	assert.Empty(t, e.Stored().Letters)
	status, _ := e.Post(path, []byte("no order"), "Authorization", "Bearer "+receivetest.Key)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Len(t, e.Stored().Letters, 1)
	status, text := e.Post(path, order(t, map[string]any{"how": "unimplemented"}))
	assert.Equal(t, http.StatusNotFound, status)
	assert.Contains(t, text, "nothing can be sent to plugin test-source")
	require.NoError(t, r.Err())
}

func TestNothingIsTakenOfAnAnswerThatBreaksTheContract(t *testing.T) {
	r := run(t, nil, 30*time.Second)
	e := r.serve(t, "umbrella")
	good := activity("good", "")
	for name, c := range map[string]struct {
		order map[string]any
		log   string
	}{
		"tenant":    {map[string]any{"how": "answer", "events": good + "\n" + activity("b", `,"tenantId":"acme"`)}, "is of another tenant"},
		"kind":      {map[string]any{"how": "answer", "events": good + "\n" + `{"kind":"cost","id":"c","timestamp":"2026-03-01T10:00:00Z","userId":"a","actionType":"x","credits":1}`}, "of the kind cost, which its manifest does not permit"},
		"500":       {map[string]any{"how": "answer", "status": 500}, "the status of its answer is 500"},
		"redirect":  {map[string]any{"how": "answer", "status": 302}, "the status of its answer is 302"},
		"400":       {map[string]any{"how": "answer", "status": 400, "events": good}, "has events and the status 400"},
		"html":      {map[string]any{"how": "answer", "status": 200, "type": "text/html", "body": "<script>"}, "content type of its answer"},
		"split":     {map[string]any{"how": "answer", "status": 200, "type": "text/plain\r\nX-A: b"}, "content type of its answer"},
		"70 MB":     {map[string]any{"how": "big"}, "larger than max"},
		"long body": {map[string]any{"how": "long"}, "the body of its answer has 66560 bytes"},
		"many":      {map[string]any{"how": "many"}, "cannot be taken"},
		"error":     {map[string]any{"how": "error"}, "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			r.up(t)
			before := len(r.log.String())
			status, text := e.Post(path, order(t, c.order))
			assert.Equal(t, http.StatusBadGateway, status, text)
			assert.Contains(t, text, "plugin test-source has failed")
			assert.NotContains(t, text, "hunter2", "what it says of its own trouble is not for senders")
			assert.Contains(t, r.log.String()[before:], c.log)
			stored := e.Stored()
			assert.Empty(t, stored.Events)
			assert.Empty(t, stored.Letters)
		})
	}
}

func TestAPluginThatEndsWhileItIsAskedIsDown(t *testing.T) {
	r := run(t, nil, 30*time.Second)
	e := r.serve(t, "umbrella")
	for _, how := range []string{"panic", "crash"} {
		t.Run(how, func(t *testing.T) {
			r.up(t)
			before := len(r.log.String())
			res, text := do(t, http.MethodPost, e.URL+path, string(order(t, map[string]any{"how": how})), nil)
			assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, text)
			assert.NotEmpty(t, res.Header.Get("Retry-After"))
			assert.Contains(t, text, "plugin test-source went down; nothing was taken")
			assert.Contains(t, r.log.String()[before:], "its process has gone")
			assert.Empty(t, e.Stored().Events)
		})
	}
}

func TestRequestsWaitForTheirTurn(t *testing.T) {
	e := run(t, nil, time.Minute).serve(t, "umbrella")
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			status, text := e.Post(path, answer(t, activity(strconv.Itoa(n), "")))
			assert.Equal(t, http.StatusAccepted, status, text)
		})
	}
	all.Wait()
	assert.Len(t, e.Stored().Events, 100)
}

func TestAPluginThatDoesNotAnswerIsSaidTo(t *testing.T) {
	r := run(t, nil, 200*time.Millisecond)
	e := r.serve(t, "umbrella")
	for range 3 {
		status, text := e.Post(path, order(t, map[string]any{"how": "hang"}))
		assert.Equal(t, http.StatusGatewayTimeout, status)
		assert.Contains(t, text, "plugin test-source has not answered in time")
	}
	// It has been taken down, and is back a moment later.
	res, text := do(t, http.MethodPost, e.URL+path, string(answer(t, activity("a", ""))), nil)
	if res.StatusCode != http.StatusAccepted {
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		assert.Equal(t, "5", res.Header.Get("Retry-After"))
		assert.Contains(t, text, "plugin test-source is down; nothing was taken")
	}
	require.Eventually(t, func() bool {
		status, _ := e.Post(path, answer(t, activity("b", "")))
		return status == http.StatusAccepted
	}, time.Minute, 50*time.Millisecond)
}
