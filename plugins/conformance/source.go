package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/source"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	tenant = "conformance"
	most   = 1000 // events of an answer
)

// nonsense is what anybody on the internet sends.
var nonsense = []Request{
	{Method: http.MethodPost, Path: "/"},
	{Method: http.MethodGet, Path: "/favicon.ico", Query: "challenge=1&%zz"},
	{Method: http.MethodPut, Path: "/../../etc/passwd", Body: []byte("{}")},
	{Method: http.MethodPost, Path: "/", Body: []byte("null")},
	{Method: http.MethodPost, Path: "/", Body: []byte(`[{"a":[]},1,"b"]`)},
	{Method: http.MethodPost, Path: "/", Body: []byte("\x00\xff\xfe<?xml version='1.0'?>")},
	{Method: http.MethodPost, Path: "/", Body: []byte(`{"id":`)},
	{Method: http.MethodPost, Path: "/", Body: []byte(strings.Repeat("[", 100_000))},
	{Method: http.MethodPost, Path: "/" + strings.Repeat("x", 1000), Query: strings.Repeat("y=", 4000), Body: bytes.Repeat([]byte("z"), 4<<20)},
}

// source makes the checks of a source.
func (t *tester) source(ctx context.Context, p *host.Plugin) {
	remote := source.Remote{Plugin: p}
	takes := t.requests(ctx, remote)
	first, err := pull(ctx, remote, "")
	switch {
	case unimplemented(err) && !takes:
		t.check("source: it can be sent to, or asked", func() error { return errors.New("it has neither Receive nor Pull") })
	case !unimplemented(err):
		t.check("source: it is asked from the beginning, and gives valid events of kinds that it may make", func() error { return err })
		if err == nil {
			t.pulls(ctx, remote, first)
		}
	}
}

func unimplemented(err error) bool {
	var refused *host.RefusedError
	return errors.As(err, &refused) && refused.Unimplemented
}

// requests makes the checks of what is sent to it, if anything can be.
func (t *tester) requests(ctx context.Context, remote source.Remote) bool {
	if _, err := receive(ctx, remote, nonsense[0], true); unimplemented(err) {
		return false
	}
	t.check("source: it answers requests that mean nothing to it", func() error {
		for i, r := range nonsense {
			for _, authenticated := range []bool{false, true} {
				var refused *host.RefusedError
				lines, err := receive(ctx, remote, r, authenticated)
				if err != nil && !errors.As(err, &refused) {
					return fmt.Errorf("%s with the body %.40q (number %d): %w; say what is wrong with a request by a status or by INVALID_ARGUMENT", r.Method, r.Body, i, err)
				}
				if len(lines) > 0 {
					return fmt.Errorf("%s with the body %.40q (number %d) became %s", r.Method, r.Body, i, lines)
				}
			}
		}
		return nil
	})
	for _, r := range t.cfg.Requests {
		t.check("source: it makes no events of "+r.Name+" when nobody has signed it", func() error {
			unsigned := r
			unsigned.Header, unsigned.Query = nil, ""
			if lines, err := receive(ctx, remote, unsigned, false); err == nil && len(lines) > 0 {
				return errors.New("anybody can send it and have it counted")
			}
			return nil
		})
	}
	for _, r := range t.cfg.Requests {
		t.check("source: it makes valid events of "+r.Name+", of kinds that it may make, and the same ones again", func() error {
			once, err := receive(ctx, remote, r, true)
			if err != nil {
				return err
			}
			if len(once) == 0 {
				return errors.New("it makes no events of it")
			}
			again, err := receive(ctx, remote, r, true)
			if err == nil && !slices.Equal(once, again) {
				err = fmt.Errorf("once it made %s of it, once %s: ids and times must be made of what the events are about", once, again)
			}
			return err
		})
	}
	return true
}

// pulls makes the checks of what it is asked for, beginning with what it has given first.
func (t *tester) pulls(ctx context.Context, remote source.Remote, first pulled) {
	t.check("source: it gives the same events again when it is asked again", func() error {
		again, err := pull(ctx, remote, "")
		if err != nil {
			return err
		}
		for _, line := range first.lines {
			if !slices.Contains(again.lines, line) {
				return fmt.Errorf("it gave %s, and did not when it was asked again: ids and times must be made of what the events are about", line)
			}
		}
		return nil
	})
	t.check("source: it goes on from the cursor that it gave", func() error {
		_, err := pull(ctx, remote, first.cursor)
		return err
	})
}

// receive sends a request and returns the events that it becomes.
func receive(ctx context.Context, remote source.Remote, r Request, authenticated bool) ([]string, error) {
	res, err := remote.Receive(ctx, &contractv1.ReceiveRequest{
		Method: r.Method, Path: r.Path, Query: r.Query, Body: r.Body, TenantId: tenant, Authenticated: authenticated,
	}, func(allowed []string) []*contractv1.Header { return source.Headers(r.Header, allowed) })
	if err != nil {
		return nil, err
	}
	return valid(res.GetEvents())
}

// pulled is what a source has given.
type pulled struct {
	lines  []string
	cursor string
}

func pull(ctx context.Context, remote source.Remote, cursor string) (pulled, error) {
	res, err := remote.Pull(ctx, &contractv1.PullRequest{Cursor: cursor, Most: most, TenantId: tenant})
	if err != nil {
		return pulled{}, err
	}
	lines, err := valid(res.GetEvents())
	return pulled{lines: lines, cursor: res.GetCursor()}, err
}

// valid returns events as texts that can be compared.
func valid(events []byte) ([]string, error) {
	var lines []string
	var errs []error
	fault := event.Decode(events, event.FormatNDJSON, event.Options{Tenant: tenant}, func(i int, raw []byte, e *event.Event, err *event.Error) bool {
		if err != nil {
			errs = append(errs, fmt.Errorf("event %d, %.200s: %s", i, raw, err.Message))
			return len(errs) < 5
		}
		lines = append(lines, spelt(e))
		return true
	})
	if fault != nil && fault.Code != event.CodeEmptyBody {
		errs = append(errs, fault)
	}
	return lines, errors.Join(errs...)
}
