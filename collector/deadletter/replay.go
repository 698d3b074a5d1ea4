package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/flowgauge/flowgauge/collector/receive"
)

// Config is what a Replayer needs.
type Config struct {
	Store *Store
	// Handler serves the paths that events are sent to.
	Handler http.Handler
	// Single names, for a path that takes lists only, the one that takes an element:
	// a dead letter is one of them.
	Single map[string]string
}

// Replayer sends dead letters again.
type Replayer struct{ cfg Config }

// NewReplayer returns a Replayer.
func NewReplayer(cfg Config) (*Replayer, error) {
	if cfg.Store == nil || cfg.Handler == nil {
		return nil, errors.New("deadletter: a replayer needs a store and a handler")
	}
	return &Replayer{cfg: cfg}, nil
}

// Order says how a dead letter is sent again.
type Order struct {
	Body        []byte // the corrected payload; nil sends the one that is kept
	ContentType string // of the corrected payload; "" is the letter's own
	Native      bool   // the corrected payload is in Flowgauge's own format, however the letter came
	DryRun      bool   // find out what would become of it
}

// Result says what became of a dead letter.
type Result struct {
	ID         string
	State      State
	Accepted   int
	Duplicates int
	Events     []Event // the first of those that were accepted
	Fault      *Fault  // why it was not taken; nil when it was
}

// Fault is why a dead letter was not taken again.
type Fault struct {
	Status     int // of HTTP, as a sender would have got it
	Code       string
	Detail     string
	RetryAfter time.Duration // above 0: nothing is wrong with the payload
	Errors     []receive.EventError
}

// The faults of a dead letter that is not sent at all.
const (
	codeTruncated = "truncated"
	codeNoPath    = "no_path"
)

// Replay sends a dead letter again. One that is rejected again stays as it is, and
// the result says why. An error is of the way there, or of noting what became of it;
// to replay it once more does no harm.
func (r *Replayer) Replay(ctx context.Context, scope Scope, id string, o Order) (Result, error) {
	l, err := r.cfg.Store.Get(ctx, scope, id)
	if err != nil {
		return Result{}, err
	}
	result := r.send(ctx, scope, &l, o)
	if result.Fault != nil || o.DryRun {
		return result, nil
	}
	l.become(Replayed, scope, result.Events)
	if err := r.cfg.Store.put(ctx, scope, []Letter{l}); err != nil {
		return result, fmt.Errorf("the events were taken, and the dead letter stays open; replay it again: %w", err)
	}
	result.State = Replayed
	return result, nil
}

// send lets a letter take the way of any other request.
func (r *Replayer) send(ctx context.Context, scope Scope, l *Letter, o Order) Result {
	result := Result{ID: l.ID, State: l.State}
	path, contentType, body := l.Path, l.ContentType, l.Payload
	if path == "" {
		path = receive.Path // Of before dead letters had paths.
	}
	if single, ok := r.cfg.Single[path]; ok && l.Position >= 0 {
		path = single
	}
	if o.Body != nil {
		body = o.Body
		if o.ContentType != "" {
			contentType = o.ContentType
		}
		if o.Native {
			path = receive.Path
		}
	} else if l.Truncated {
		result.Fault = &Fault{Status: http.StatusUnprocessableEntity, Code: codeTruncated, Detail: "the payload was too long to be kept whole: send the whole of it, corrected"}
		return result
	}
	again := &receive.Replay{
		Who:         receive.Principal{Tenant: scope.tenant, KeyID: scope.keyID, CrossTenant: scope.crossTenant},
		ContentType: contentType, DryRun: o.DryRun,
	}
	req := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: path}, Host: "localhost", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}).WithContext(receive.WithReplay(ctx, again))
	w := &answer{header: http.Header{}}
	r.cfg.Handler.ServeHTTP(w, req)

	why := again.Outcome.Refusal
	switch {
	case why != nil:
		result.Fault = &Fault{Status: why.Status, Code: string(why.Code), Detail: why.Detail, RetryAfter: why.RetryAfter, Errors: again.Outcome.Errors}
	case again.Outcome.Accepted == 0:
		result.Fault = &Fault{
			Status: http.StatusUnprocessableEntity, Code: codeNoPath,
			Detail: fmt.Sprintf("nothing here takes events at %q (%d): send it corrected, in Flowgauge's own format", path, w.status),
		}
	default:
		result.Accepted, result.Duplicates = again.Outcome.Accepted, again.Outcome.Duplicates
		for _, id := range again.Events {
			result.Events = append(result.Events, eventOf(id))
		}
	}
	return result
}

// answer is what a sender would have been told; what matters of it is in the Replay.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
