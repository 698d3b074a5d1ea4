package gitlab

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
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

// The secret, message and signature of the Standard Webhooks specification's example.
const (
	signingToken = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID    = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleTime  = 1614265330
	exampleBody  = `{"test": 2432232314}`
	exampleSign  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

const hookPath = Path + "/ci"

func configured(t testing.TB, secrets ...string) *Configured {
	t.Helper()
	c, err := NewConfigured(webhook.Hook{ID: "ci", Tenant: "acme", Secrets: secrets})
	require.NoError(t, err)
	c.now = func() time.Time { return time.Unix(exampleTime, 0) }
	return c
}

func serve(t testing.TB) *receivetest.Endpoint {
	return receivetest.Serve(t, func(r *receive.Receiver) map[string]receive.Protocol {
		return map[string]receive.Protocol{
			Path:     New(Keys{r}),
			hookPath: New(configured(t, "old", "new", signingToken)),
		}
	})
}

func sign(id string, at int64, body string) string {
	key, _ := base64.StdEncoding.DecodeString(signingToken[len(signingPrefix):])
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + strconv.FormatInt(at, 10) + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func post(e *receivetest.Endpoint, body string) (int, string) {
	return e.Post(Path, []byte(body), "Content-Type", "application/json", "X-Gitlab-Event", "Pipeline Hook", "X-Gitlab-Token", receivetest.Key)
}

func TestSignatureOfTheSpecification(t *testing.T) {
	require.Equal(t, exampleSign, sign(exampleID, exampleTime, exampleBody))
}

func TestSenders(t *testing.T) {
	e := serve(t)
	signed := func(id string, at int64, signature string) []string {
		return []string{"webhook-id", id, "webhook-timestamp", strconv.FormatInt(at, 10), "webhook-signature", signature}
	}
	for name, tc := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"API key":            {Path, []string{"X-Gitlab-Token", receivetest.Key}, http.StatusAccepted},
		"API key as Bearer":  {Path, []string{"Authorization", "Bearer " + receivetest.Key}, http.StatusAccepted},
		"no key":             {Path, nil, http.StatusUnauthorized},
		"wrong key":          {Path, []string{"X-Gitlab-Token", "x"}, http.StatusUnauthorized},
		"a reader's key":     {Path, []string{"X-Gitlab-Token", "reader"}, http.StatusForbidden},
		"no key store":       {Path, []string{"X-Gitlab-Token", "away"}, http.StatusServiceUnavailable},
		"secret":             {hookPath, []string{"X-Gitlab-Token", "new"}, http.StatusAccepted},
		"old secret":         {hookPath, []string{"X-Gitlab-Token", "old"}, http.StatusAccepted},
		"wrong secret":       {hookPath, []string{"X-Gitlab-Token", "newer"}, http.StatusUnauthorized},
		"no secret":          {hookPath, nil, http.StatusUnauthorized},
		"an API key there":   {hookPath, []string{"X-Gitlab-Token", receivetest.Key}, http.StatusUnauthorized},
		"the signing token":  {hookPath, []string{"X-Gitlab-Token", signingToken}, http.StatusUnauthorized},
		"signed":             {hookPath, signed(exampleID, exampleTime, sign(exampleID, exampleTime, ignored)), http.StatusAccepted},
		"two signatures":     {hookPath, signed(exampleID, exampleTime, "v1,AAAA "+sign(exampleID, exampleTime, ignored)), http.StatusAccepted},
		"another version":    {hookPath, signed(exampleID, exampleTime, "v2"+sign(exampleID, exampleTime, ignored)[2:]), http.StatusUnauthorized},
		"of another body":    {hookPath, signed(exampleID, exampleTime, sign(exampleID, exampleTime, ignored+" ")), http.StatusUnauthorized},
		"of another id":      {hookPath, signed("x", exampleTime, sign(exampleID, exampleTime, ignored)), http.StatusUnauthorized},
		"no id":              {hookPath, signed("", exampleTime, sign("", exampleTime, ignored)), http.StatusUnauthorized},
		"old":                {hookPath, signed(exampleID, exampleTime-301, sign(exampleID, exampleTime-301, ignored)), http.StatusUnauthorized},
		"of the future":      {hookPath, signed(exampleID, exampleTime+301, sign(exampleID, exampleTime+301, ignored)), http.StatusUnauthorized},
		"a little old":       {hookPath, signed(exampleID, exampleTime-299, sign(exampleID, exampleTime-299, ignored)), http.StatusAccepted},
		"not in base64":      {hookPath, signed(exampleID, exampleTime, "v1,*"), http.StatusUnauthorized},
		"no time":            {hookPath, []string{"webhook-id", "a", "webhook-signature", sign("a", 0, ignored)}, http.StatusUnauthorized},
		"another media type": {hookPath, []string{"X-Gitlab-Token", "new", "Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		"packed":             {hookPath, []string{"X-Gitlab-Token", "new", "Content-Encoding", "gzip"}, http.StatusUnsupportedMediaType},
	} {
		status, answer := e.Post(tc.path, []byte(ignored), append([]string{"Content-Type", "application/json"}, tc.headers...)...)
		require.Equal(t, tc.status, status, "%s: %s", name, answer)
	}
	require.Zero(t, e.Stored())
}

const ignored = `{"object_kind":"push"}`

func TestConfiguration(t *testing.T) {
	for _, hook := range []webhook.Hook{
		{Tenant: "t", Secrets: []string{"s"}},
		{ID: "i", Secrets: []string{"s"}},
		{ID: "i", Tenant: "t"},
		{ID: "i", Tenant: "t", Secrets: []string{"whsec_*"}},
		{ID: "i", Tenant: "t", Secrets: []string{"whsec_"}},
	} {
		_, err := NewConfigured(hook)
		require.Error(t, err)
	}
	_, err := NewConfigured(webhook.Hook{ID: "i", Tenant: "t", Secrets: []string{"whsec_secret!"}})
	require.NotContains(t, err.Error(), "secret!")
}

func TestWhatIsNotTaken(t *testing.T) {
	e := serve(t)
	for body, want := range map[string]string{
		`{`:                               "400 malformed_json",
		`{}`:                              "400 malformed_json",
		`[]`:                              "400 malformed_json",
		`{"object_kind":"merge_request"}`: "202 ignored",
		`{"object_kind":"pipeline"}`:      "400 malformed_json",
		`{"object_kind":"pipeline","object_attributes":{"id":"1"}}`:                                                      "400 malformed_json",
		`{"object_kind":"pipeline","object_attributes":{"id":1,"status":"pending"}}`:                                     "202 ignored",
		`{"object_kind":"pipeline","object_attributes":{"id":1,"status":"running"}}`:                                     "400 no_usable_event",
		`{"object_kind":"pipeline","object_attributes":{"id":1,"status":"running","created_at":"2024-01-01T00:00:00Z"}}`: "400 no_usable_event", // of no project
		`{"object_kind":"build"}`: "400 malformed_json",
		`{"object_kind":"build","build_id":1,"pipeline_id":2,"build_status":"running"}`:                 "202 ignored",
		`{"object_kind":"build","build_id":1,"pipeline_id":2,"build_status":"failed","build_name":"b"}`: "400 no_usable_event",
	} {
		status, answer := post(e, body)
		require.Equal(t, want[:3], strconv.Itoa(status), "%s: %s", body, answer)
		require.Contains(t, answer, want[4:], body)
	}
	s := e.Stored()
	require.Empty(t, s.Fragments)
	for _, l := range s.Letters {
		require.Equal(t, "k1", l.KeyID)
		require.NotEmpty(t, l.Payload)
		require.Contains(t, []event.Code{event.CodeMalformedJSON, event.CodeMissingField}, l.Code)
	}
}

func TestADeadLetterIsSentAgain(t *testing.T) {
	e := serve(t)
	good := hook("running", "")
	status, _ := e.Post(hookPath, []byte(strings.Replace(good, `"created_at"`, `"x"`, 1)), "Content-Type", "application/json", "X-Gitlab-Token", "new")
	require.Equal(t, http.StatusBadRequest, status)
	letter := e.Stored().Letters[0]
	require.Equal(t, "still_rejected", string(e.Replay(&letter, letter.Payload).Refusal.Code))
	require.Nil(t, e.Replay(&letter, []byte(good)).Refusal)
	require.Len(t, e.Stored().Fragments, 1)
}
