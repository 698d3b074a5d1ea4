package source

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	longestPath     = 1 << 10
	longestQuery    = 8 << 10
	longestHeaders  = 64 << 10 // all that the plugin sees, together
	mostValues      = 64
	longestMessage  = 1 << 10 // of a plugin's for a sender
	longestMedia    = 256     // content type that a dead letter keeps
	retryAfter      = 5 * time.Second
	codeUnavailable = event.Code("plugin_unavailable")
	codeFailed      = event.Code("plugin_failed")
	codeRefused     = event.Code("plugin_refused")
)

// delivery is the protocol of one request: what the plugin says to it is kept from Decode to
// Answer.
type delivery struct {
	*Endpoint
	path string // behind the plugin's id
	byID bool   // an API key says whose it is
	told *contractv1.ReceiveResponse
}

// Admit takes an API key where there is one. Without it the plugin finds out who sends, and the
// configuration says whose it is. That takes the body, so no more is read than platforms send.
func (d *delivery) Admit(req *http.Request) (receive.Principal, string, *receive.Refusal) {
	media := event.Clip(req.Header.Get("Content-Type"), longestMedia)
	if why := webhook.Admit(req); why != nil {
		return receive.Principal{}, media, why
	}
	if why := d.checkRequest(req); why != nil {
		return receive.Principal{}, media, why
	}
	who, why := d.cfg.Receiver.Authenticate(req)
	switch {
	case why == nil && who.Tenant == "":
		return who, media, &receive.Refusal{Status: http.StatusForbidden, Code: "forbidden", Detail: "the API key has no tenant of its own, whose the events would be"}
	case why == nil:
		d.byID, who.CrossTenant = true, false
		return who, media, nil
	case why.Status != http.StatusUnauthorized || hasKey(req):
		return who, media, why
	case d.cfg.Tenant == "":
		return who, media, &receive.Refusal{
			Status: http.StatusUnauthorized, Code: "unauthenticated",
			Detail: fmt.Sprintf("give an API key (Authorization: Bearer KEY), or have plugins.use name the tenant of plugin %s, whose requests without a key then are", d.remote.ID()),
		}
	}
	return receive.Principal{Tenant: d.cfg.Tenant, KeyID: keyID(d.remote.ID())}, media, nil
}

// hasKey says whether a request has something that is meant to be an API key.
func hasKey(req *http.Request) bool {
	scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer")
}

// checkRequest refuses what cannot be put to a plugin, which would count as its failure.
func (d *delivery) checkRequest(req *http.Request) *receive.Refusal {
	refused := func(status int, detail string) *receive.Refusal {
		return &receive.Refusal{Status: status, Code: "unusable_request", Detail: detail}
	}
	switch {
	case len(d.path) > longestPath || len(req.URL.RawQuery) > longestQuery:
		return refused(http.StatusRequestURITooLong, fmt.Sprintf("a plugin is sent paths of up to %d bytes and queries of up to %d", longestPath, longestQuery))
	case !utf8.ValidString(d.path) || !utf8.ValidString(req.URL.RawQuery):
		return refused(http.StatusBadRequest, "path and query must be UTF-8")
	}
	seen := Headers(req.Header, d.remote.Manifest().Permissions.Headers)
	bytes := 0
	for _, h := range seen {
		bytes += len(h.GetName()) + len(h.GetValue())
	}
	if bytes > longestHeaders || len(seen) > mostValues {
		return refused(http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("a plugin is sent up to %d headers of up to %d bytes together", mostValues, longestHeaders))
	}
	return nil
}

// Decode asks the plugin what the request means.
func (d *delivery) Decode(m receive.Message, yield event.Yield) *receive.Refusal {
	if !m.Reserve(len(m.Body)) { // the message to the plugin
		return receive.Overloaded
	}
	res, err := d.ask(m)
	if err != nil {
		return d.refusal(m, err)
	}
	d.told = res
	if s := int(res.GetStatus()); s >= http.StatusBadRequest {
		return &receive.Refusal{Status: s, Code: codeRefused, Detail: fmt.Sprintf("plugin %s: %s", d.remote.ID(), forPeople(res.GetBody()))}
	}
	if !m.Reserve(len(res.GetEvents())) {
		return receive.Overloaded
	}
	var why *receive.Refusal
	opts := event.Options{Tenant: m.Who.Tenant, MaxEvents: m.MaxEvents}
	fault := event.Decode(res.GetEvents(), event.FormatNDJSON, opts, func(i int, raw []byte, e *event.Event, err *event.Error) bool {
		if err == nil {
			return yield(i, raw, e, nil)
		}
		why = d.invalid(i, e, err)
		return false
	})
	if why == nil && fault != nil && fault.Code != event.CodeEmptyBody {
		why = &receive.Refusal{Status: http.StatusRequestEntityTooLarge, Code: fault.Code, Detail: fault.Message}
	}
	return why
}

// ask puts the request to the plugin, when it is its turn.
func (d *delivery) ask(m receive.Message) (*contractv1.ReceiveResponse, error) {
	ctx := m.Request.Context()
	wait, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	select {
	case d.calls <- struct{}{}:
		defer func() { <-d.calls }()
	case <-wait.Done():
		return nil, wait.Err()
	}
	return d.remote.Receive(ctx, &contractv1.ReceiveRequest{
		Method: m.Request.Method, Path: d.path, Query: m.Request.URL.RawQuery, Body: m.Body,
		TenantId: m.Who.Tenant, Authenticated: d.byID || m.Replayed,
	}, func(allowed []string) []*contractv1.Header { return Headers(m.Request.Header, allowed) })
}

// refusal says why the plugin has not answered. What it says about its own trouble is for the
// operator: the sender may be anybody.
func (d *delivery) refusal(m receive.Message, err error) *receive.Refusal {
	id := d.remote.ID()
	var down *host.DownError
	var refused *host.RefusedError
	var failed *host.FailedError
	switch {
	case errors.As(err, &refused) && refused.Unimplemented:
		return &receive.Refusal{Status: http.StatusNotFound, Code: "not_found", Detail: "nothing can be sent to plugin " + id}
	case errors.As(err, &refused):
		// Who has no key may be anybody, whose requests are not kept.
		return &receive.Refusal{
			Status: http.StatusBadRequest, Code: codeRefused, Keep: d.byID,
			Detail: fmt.Sprintf("plugin %s: %s", id, forPeople([]byte(refused.Message))),
		}
	case errors.As(err, &down):
		return &receive.Refusal{
			Status: http.StatusServiceUnavailable, Code: codeUnavailable, RetryAfter: retryAfter,
			Detail: fmt.Sprintf("plugin %s is down; nothing was taken", id),
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &receive.Refusal{
			Status: http.StatusServiceUnavailable, Code: codeUnavailable, RetryAfter: retryAfter,
			Detail: fmt.Sprintf("plugin %s has too much to do; nothing was taken", id),
		}
	}
	d.cfg.Logger.WarnContext(m.Request.Context(), "a plugin could not take a request", "plugin", id, "error", err)
	isFailed := errors.As(err, &failed)
	switch {
	case isFailed && failed.Late:
		return &receive.Refusal{
			Status: http.StatusGatewayTimeout, Code: codeFailed, RetryAfter: retryAfter,
			Detail: fmt.Sprintf("plugin %s has not answered in time; nothing was taken", id),
		}
	case isFailed && failed.Gone: // and is down for the one who asks next
		return &receive.Refusal{
			Status: http.StatusServiceUnavailable, Code: codeUnavailable, RetryAfter: retryAfter,
			Detail: fmt.Sprintf("plugin %s went down; nothing was taken", id),
		}
	}
	return &receive.Refusal{
		Status: http.StatusBadGateway, Code: codeFailed, RetryAfter: retryAfter,
		Detail: fmt.Sprintf("plugin %s has failed; nothing was taken, and the log says why", id),
	}
}

// invalid refuses a request of which the plugin has made an event that cannot be taken. It is
// kept: the plugin can be mended.
func (d *delivery) invalid(index int, e *event.Event, err *event.Error) *receive.Refusal {
	d.cfg.Logger.Warn("a plugin has made an event that cannot be taken; the request is a dead letter", "plugin", d.remote.ID(), "event", event.Clip(e.ID, 100), "code", err.Code, "error", err.Message)
	return &receive.Refusal{
		Status: http.StatusBadRequest, Code: err.Code, Field: err.Field, Keep: true,
		Detail: fmt.Sprintf("plugin %s has made an event of this that cannot be taken: event %d, id %q: %s; nothing of the request was taken", d.remote.ID(), index, event.Clip(e.ID, 100), err.Message),
	}
}

// Answer is the plugin's where it has one, and the receipt where it has none.
func (d *delivery) Answer(_ receive.Message, o *receive.Outcome) receive.Answer {
	own := d.told != nil && d.told.GetStatus() != 0
	if !own || o.Refusal != nil && o.Refusal.Code != codeRefused {
		return receive.Receipted(o)
	}
	// The type alone: what else stands there is the plugin's word.
	media := mediaText
	if told, _, err := mime.ParseMediaType(d.told.GetContentType()); err == nil && told == mediaJSON {
		media = mediaJSON
	}
	return receive.Answer{Status: int(d.told.GetStatus()), ContentType: media + "; charset=utf-8", Body: d.told.GetBody()}
}

// forPeople makes a text of a plugin's fit to be shown.
func forPeople(text []byte) string {
	return event.Clip(strings.ToValidUTF8(string(text), "\uFFFD"), longestMessage)
}
