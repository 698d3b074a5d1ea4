// Command badsource is a source that does what it is told, good and bad. It is for tests.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// settings are those of what is pulled: the activities 0 to Total-1, Page at a time.
type settings struct {
	Total int    `json:"total"`
	Page  int    `json:"page"`
	How   string `json:"how"`  // it misbehaves when it is asked with the cursor At
	At    string `json:"at"`   // empty is the beginning
	Once  string `json:"once"` // a file, without which it does not misbehave; it is removed

	Signed bool `json:"signed"` // takes requests with an API key only
	Clumsy bool `json:"clumsy"` // fails over what it does not understand
}

type source struct{ settings }

func main() {
	s := &source{}
	contract.Serve(contract.Plugin{
		ID: "test-source", Version: "1.0.0", Source: s,
		Configure: func(text json.RawMessage) error { return json.Unmarshal(text, &s.settings) },
	})
}

// order is the body of a request.
type order struct {
	How    string `json:"how"`
	Events string `json:"events"`
	Status uint32 `json:"status"`
	Type   string `json:"type"`
	Body   string `json:"body"`
}

func (s *source) Receive(ctx context.Context, req *contractv1.ReceiveRequest) (*contractv1.ReceiveResponse, error) {
	var o order
	if len(req.GetBody()) > 0 {
		if err := json.Unmarshal(req.GetBody(), &o); err != nil {
			if s.Clumsy {
				return nil, err
			}
			return nil, status.Error(codes.InvalidArgument, "the body is no order")
		}
	}
	if s.Signed && !req.GetAuthenticated() {
		return &contractv1.ReceiveResponse{Status: 401}, nil
	}
	switch o.How {
	case "":
		seen, err := json.Marshal(map[string]any{
			"method": req.GetMethod(), "path": req.GetPath(), "query": req.GetQuery(), "headers": req.GetHeaders(),
			"tenant": req.GetTenantId(), "authenticated": req.GetAuthenticated(),
		})
		return &contractv1.ReceiveResponse{Status: 200, ContentType: "application/json", Body: seen}, err
	case "big":
		return &contractv1.ReceiveResponse{Events: []byte(strings.Repeat(" ", 70<<20))}, nil
	case "long":
		return &contractv1.ReceiveResponse{Status: 200, Body: make([]byte, 65<<10)}, nil
	case "many":
		return &contractv1.ReceiveResponse{Events: []byte(strings.Repeat("{}\n", 50_001))}, nil
	case "fresh":
		return &contractv1.ReceiveResponse{Events: []byte(fresh())}, nil
	case "unimplemented":
		return nil, status.Error(codes.Unimplemented, "nothing can be sent to it")
	case "answer":
		return &contractv1.ReceiveResponse{Events: []byte(o.Events), Status: o.Status, ContentType: o.Type, Body: []byte(o.Body)}, nil
	}
	return nil, misbehave(ctx, o.How)
}

var made atomic.Int64

// fresh is an event with an id that no other has.
func fresh() string {
	return fmt.Sprintf(`{"kind":"activity","id":"f%d","timestamp":"2026-03-01T10:00:00Z","action":"open"}`, made.Add(1))
}

func misbehave(ctx context.Context, how string) error {
	switch how {
	case "crash":
		os.Exit(7)
	case "panic":
		panic("a bug")
	case "hang":
		<-ctx.Done()
		select {}
	case "refuse":
		return status.Error(codes.InvalidArgument, "the signature is wrong")
	}
	return errors.New("password hunter2 was not accepted")
}

func (s *source) Pull(ctx context.Context, req *contractv1.PullRequest) (*contractv1.PullResponse, error) {
	from, err := strconv.Atoi("0" + req.GetCursor())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "the cursor is none of mine")
	}
	to := min(from+s.Page, s.Total)
	res := &contractv1.PullResponse{Cursor: strconv.Itoa(to), More: to < s.Total}
	var text strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&text, `{"kind":"activity","id":"a%d","timestamp":"2026-03-01T10:00:00Z","action":"open","userId":"ann"}`+"\n", i)
	}
	if s.How != "" && req.GetCursor() == s.At && s.due() {
		if err := s.misbehaving(ctx, req, res, &text); err != nil {
			return nil, err
		}
	}
	res.Events = []byte(text.String())
	return res, nil
}

func (s *source) due() bool { return s.Once == "" || os.Remove(s.Once) == nil }

// misbehaving changes an answer.
func (s *source) misbehaving(ctx context.Context, req *contractv1.PullRequest, res *contractv1.PullResponse, text *strings.Builder) error {
	switch s.How {
	case "stuck":
		text.Reset()
		res.Cursor, res.More = req.GetCursor(), true
	case "lost":
		res.Cursor = ""
	case "long":
		res.Cursor = strings.Repeat("x", 65<<10)
	case "big":
		text.WriteString(strings.Repeat(" ", 70<<20))
	case "bad":
		text.WriteString("{\"kind\":\"activity\",\"id\":\"late\",\"timestamp\":\"2199-01-01T00:00:00Z\",\"action\":\"open\"}\nnot json\n")
	case "tenant":
		text.WriteString(`{"kind":"activity","id":"theirs","tenantId":"other","timestamp":"2026-03-01T10:00:00Z","action":"open"}`)
	case "fresh":
		text.WriteString(fresh())
	case "kind":
		text.WriteString(`{"kind":"cost","id":"c","timestamp":"2026-03-01T10:00:00Z","userId":"ann","actionType":"call","credits":1}`)
	default:
		return misbehave(ctx, s.How)
	}
	return nil
}
