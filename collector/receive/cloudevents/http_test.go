package cloudevents

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
)

func TestAnswers(t *testing.T) {
	e := serve(t, config.CloudEvents{})
	const activity = `{"action":"login"}`
	bad := strings.Replace(envelopeText, `"action"`, `"deed"`, 1)
	other := strings.Replace(envelopeText, "A-1", "A-2", 1)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(envelopeText))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	binary := []string{"ce-specversion", "1.0", "ce-type", "dev.flowgauge.activity.v1", "ce-source", "/crm", "ce-id", "A-1", "ce-time", "2024-05-31T10:00:00Z"}
	for name, tc := range map[string]struct {
		body            string
		headers         []string
		status          int
		code            string // of the problem
		events, letters int
	}{
		"structured":           {envelopeText, []string{"Content-Type", "application/cloudevents+json; charset=UTF-8"}, 202, "", 1, 0},
		"packed":               {packed.String(), []string{"Content-Type", "Application/CloudEvents+JSON", "Content-Encoding", "gzip"}, 202, "", 1, 0},
		"binary":               {activity, append([]string{"Content-Type", "application/json"}, binary...), 202, "", 1, 0},
		"binary, no type":      {activity, binary, 202, "", 1, 0},
		"batch":                {"[" + envelopeText + "," + other + "]", []string{"Content-Type", mediaBatch}, 202, "", 2, 0},
		"batch with one twice": {"[" + envelopeText + "," + envelopeText + "]", []string{"Content-Type", mediaBatch}, 202, "", 1, 0},
		"empty batch":          {"[]", []string{"Content-Type", mediaBatch}, 202, "", 0, 0},
		"batch with a bad one": {"[" + bad + "," + other + "]", []string{"Content-Type", mediaBatch}, 207, "", 1, 1},
		"bad":                  {bad, []string{"Content-Type", mediaEvent}, 400, "no_usable_event", 0, 1},
		"bad binary":           {"5", binary, 400, "no_usable_event", 0, 1},
		"cut":                  {envelopeText[:40], []string{"Content-Type", mediaEvent}, 400, "malformed_json", 0, 1},
		"another format":       {envelopeText, []string{"Content-Type", "application/cloudevents+avro"}, 415, "unsupported_media_type", 0, 0},
		"no format":            {envelopeText, []string{"Content-Type", "application/cloudevents"}, 415, "unsupported_media_type", 0, 0},
		"another charset":      {envelopeText, []string{"Content-Type", mediaEvent + "; charset=latin1"}, 415, "unsupported_media_type", 0, 0},
		"no CloudEvent":        {activity, []string{"Content-Type", "application/json"}, 415, "unsupported_media_type", 0, 0},
		"no key":               {envelopeText, []string{"Content-Type", mediaEvent, "Authorization", ""}, 401, "unauthenticated", 0, 0},
		"no right":             {envelopeText, []string{"Content-Type", mediaEvent, "Authorization", "Bearer reader"}, 403, "forbidden", 0, 0},
		"key in the address":   {envelopeText, []string{"Content-Type", mediaEvent, "Authorization", ""}, 401, "unauthenticated", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := e.Post(Path, []byte(tc.body), append(append([]string{}, key...), tc.headers...)...)
			require.Equal(t, tc.status, status, answer)
			var receipt struct {
				receive.Receipt
				Code string `json:"code"`
			}
			require.NoError(t, json.Unmarshal([]byte(answer), &receipt))
			require.Equal(t, tc.code, receipt.Code)
			stored := e.Stored()
			require.Len(t, stored.Events, tc.events)
			require.Equal(t, tc.events, receipt.Accepted)
			require.Len(t, stored.Letters, tc.letters)
			if tc.letters > 0 && tc.code != "malformed_json" {
				require.Contains(t, []string{mediaEvent, mediaBatch}, stored.Letters[0].ContentType)
				status, answer = e.Post(Path, stored.Letters[0].Payload, append([]string{"Content-Type", stored.Letters[0].ContentType}, key...)...)
				require.Equal(t, 400, status, answer)
				require.Contains(t, answer, "no_usable_event")
				require.Equal(t, stored.Letters[0].Payload, e.Stored().Letters[0].Payload, "it can be sent again as it is")
			}
		})
	}
}

// The handshake of webhooks, and what it has to do with deliveries.
func TestHandshake(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	for name, tc := range map[string]struct {
		config               config.CloudEvents
		origin, rate         string
		status               int
		allowed, allowedRate string
		delivery, inQuery    int
	}{
		"anyone":            {config.CloudEvents{AllowedOrigins: []string{"*"}}, "events.example.com", "120", 200, "events.example.com", "120", 401, 401},
		"no rate asked for": {config.CloudEvents{AllowedOrigins: []string{"*"}}, "events.example.com", "", 200, "events.example.com", "*", 401, 401},
		"rate that is none": {config.CloudEvents{AllowedOrigins: []string{"*"}}, "events.example.com", "-5", 200, "events.example.com", "*", 401, 401},
		"within the rate":   {config.CloudEvents{AllowedOrigins: []string{"*"}, AllowedRate: 600}, "events.example.com", "120", 200, "events.example.com", "120", 401, 401},
		"beyond the rate":   {config.CloudEvents{AllowedOrigins: []string{"*"}, AllowedRate: 60}, "events.example.com", "120", 200, "events.example.com", "60", 401, 401},
		"a list":            {config.CloudEvents{AllowedOrigins: []string{"a.example, *.Example.com"}}, "Events.example.com", "", 200, "Events.example.com", "*", 401, 401},
		"not in the list":   {config.CloudEvents{AllowedOrigins: []string{"a.example"}}, "events.example.com", "", 403, "", "", 403, 403},
		"nobody":            {config.CloudEvents{}, "events.example.com", "", 403, "", "", 403, 403},
		"no handshake":      {config.CloudEvents{AllowedOrigins: []string{"*"}}, "", "", 405, "", "", 401, 401},
		"keys in addresses": {config.CloudEvents{AllowedOrigins: []string{"*"}, QueryToken: true}, "events.example.com", "", 200, "events.example.com", "*", 401, 202},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := receive.New(receive.Config{Queue: taking{}, Auth: func(req *http.Request) (receive.Principal, error) {
				if req.Header.Get("Authorization") != "Bearer "+receivetest.Key {
					return receive.Principal{}, receive.ErrUnauthenticated
				}
				return receive.Principal{Tenant: "acme"}, nil
			}})
			require.NoError(t, err)
			p, err := New(Config{CloudEvents: tc.config, Receiver: r})
			require.NoError(t, err)
			router := gin.New()
			p.Register(router)
			call := func(method, address, body string) *httptest.ResponseRecorder {
				req := httptest.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
				req.Header.Set("Content-Type", mediaEvent)
				for name, value := range map[string]string{"WebHook-Request-Origin": tc.origin, "WebHook-Request-Rate": tc.rate} {
					if value != "" {
						req.Header.Set(name, value)
					}
				}
				w := httptest.NewRecorder()
				router.ServeHTTP(w, req)
				return w
			}
			w := call(http.MethodOptions, Path, "")
			require.Equal(t, tc.status, w.Code)
			require.Equal(t, tc.allowed, w.Header().Get("WebHook-Allowed-Origin"))
			require.Equal(t, tc.allowedRate, w.Header().Get("WebHook-Allowed-Rate"))
			require.Contains(t, w.Header().Get("Allow"), "POST")
			require.Equal(t, tc.delivery, call(http.MethodPost, Path, envelopeText).Code)
			w = call(http.MethodPost, Path+"?access_token="+receivetest.Key, envelopeText)
			require.Equal(t, tc.inQuery, w.Code, w.Body)
			require.Contains(t, w.Header().Get("Cache-Control"), "private")
		})
	}
	_, err := New(Config{CloudEvents: config.CloudEvents{AllowedRate: -1}})
	require.ErrorContains(t, err, "allowed_rate is -1")
}
