// Package panel answers kinds of question that plugins have (the extension panel).
//
//	question ──> Plan ──> the questions that the plugin needs, as JSON
//	                         │ decoded and checked as those of POST /query
//	                         ▼
//	             backend/query asks them as the one who asks: scope, policy, limits, audit
//	                         │
//	                         ▼
//	             Answer ──> a table, checked ──> the answer
//
// A plugin never sees more than the one who asks, because it sees nothing else. What it says is
// hostile input all the same: it is bounded and checked here.
//
// Plugins run in the server's process (package hosted). The Grafana plugin, which is a process
// of its own, asks a server for plans and answers (Remote), and the data itself.
package panel

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/plugintable"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// MaxMessage is how much a plugin is given at most, in bytes. It is less than a message may
// have: what else is in one has to fit.
const MaxMessage = 60 << 20

const (
	maxRequest = 1 << 20 // as the body of POST /query
	maxNotices = 20
	maxNotice  = 500
)

// Source has the panels of plugins. Kinds are named in full: {plugin}.{name}. What a plugin
// says is for take to check: that it breaks the contract is a failure of the plugin.
type Source interface {
	Kinds(ctx context.Context, plugin string) ([]query.KindInfo, error)
	Plan(ctx context.Context, req *contractv1.PlanRequest, take func(*contractv1.PlanResponse) error) error
	Answer(ctx context.Context, req *contractv1.AnswerRequest, take func(*contractv1.AnswerResponse) error) error
}

// Panels are a Source's kinds, for query.Engine.
type Panels struct{ Source }

// Plan asks what a question needs.
func (p Panels) Plan(ctx context.Context, r query.Request) (requests []query.Request, err error) {
	err = p.Source.Plan(ctx, &contractv1.PlanRequest{Question: questionOf(&r)}, func(plan *contractv1.PlanResponse) error {
		requests, err = Requests(plan)
		return err
	})
	return requests, err
}

// Requests reads a plan.
func Requests(plan *contractv1.PlanResponse) ([]query.Request, error) {
	if n := len(plan.GetRequests()); n > query.MaxParts {
		return nil, fmt.Errorf("its plan has %d questions, %d are allowed", n, query.MaxParts)
	}
	requests := make([]query.Request, len(plan.GetRequests()))
	for i, text := range plan.GetRequests() {
		if len(text) > maxRequest {
			return nil, fmt.Errorf("question %d of its plan has %d bytes, %d are allowed", i+1, len(text), maxRequest)
		}
		var err error
		if requests[i], err = requestjson.Decode([]byte(text)); err != nil {
			return nil, fmt.Errorf("question %d of its plan: %w", i+1, err)
		}
		if kind := requests[i].Kind; kind.Plugin() != "" {
			return nil, fmt.Errorf("question %d of its plan is of kind %q: only Flowgauge's own are answered to plugins", i+1, query.Shortened(string(kind)))
		}
	}
	return requests, nil
}

// Answer lets the plugin make the answer of its questions' answers.
func (p Panels) Answer(ctx context.Context, r query.Request, parts []*query.Result) (*query.Result, error) {
	req := &contractv1.AnswerRequest{Question: questionOf(&r)}
	for _, part := range parts {
		table, err := plugintable.FromResult(part)
		if err != nil {
			return nil, fmt.Errorf("make a table for plugin %s: %w", r.Kind.Plugin(), err)
		}
		req.Tables = append(req.Tables, table)
	}
	if n := proto.Size(req); n > MaxMessage {
		return nil, &query.RequestError{
			Param: "kind", Value: string(r.Kind),
			Message: fmt.Sprintf("what it is made of has %d MiB, a plugin is given %d at most: take a shorter period or a coarser granularity", n>>20, MaxMessage>>20),
		}
	}
	zone, err := time.LoadLocation(r.TimeZone)
	if err != nil {
		return nil, err
	}
	var res *query.Result
	err = p.Source.Answer(ctx, req, func(answer *contractv1.AnswerResponse) error {
		res, err = Result(answer, zone)
		return err
	})
	return res, err
}

// Result reads an answer.
func Result(answer *contractv1.AnswerResponse, in *time.Location) (*query.Result, error) {
	out, err := plugintable.ToResult(answer.GetTable(), in)
	if err != nil {
		return nil, fmt.Errorf("its answer: %w", err)
	}
	if n := len(answer.GetNotices()); n > maxNotices {
		return nil, fmt.Errorf("its answer has %d notices, %d are allowed", n, maxNotices)
	}
	for i, notice := range answer.GetNotices() {
		if err := plugintable.Word(notice, maxNotice); err != nil {
			return nil, fmt.Errorf("notice %d of its answer: %w", i+1, err)
		}
	}
	out.Meta.Notices = answer.GetNotices()
	return out, nil
}

func questionOf(r *query.Request) *contractv1.Question {
	return &contractv1.Question{
		Kind: string(r.Kind), From: r.From.UnixMilli(), To: r.To.UnixMilli(), TimeZone: r.TimeZone,
		Granularity: string(r.Granularity), Parameters: r.Params,
	}
}

// Wrong says that what a plugin said breaks the contract.
func Wrong(plugin string, err error) error {
	return &query.PluginError{Fault: query.PluginWrong, Message: Sentence(fmt.Sprintf("plugin %s: %v", plugin, err))}
}

// Sentence is as much of what a plugin says as a message has.
func Sentence(text string) string {
	const most = 1000
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
