package main

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Describe has one kind: asks is a question of Flowgauge's, whose answer it gives back as it
// is, how what it does instead.
func (p *plugin) Describe(ctx context.Context) ([]*contractv1.QueryKind, error) {
	if p.How == "describe hang" {
		<-ctx.Done()
	}
	name := "echo"
	if p.How == "undescribed" {
		name = "No such name"
	}
	return []*contractv1.QueryKind{{
		Name: name, Title: "Echo", Description: "What it is answered.", Granularity: true,
		Parameters: []*contractv1.Parameter{
			{Name: "asks", Description: "A question, as JSON.", Required: true, Example: `{"metrics":["executions"]}`},
			{Name: "how", Description: "What it does instead."},
			{Name: "size", Description: "One of two.", Allowed: []string{"small", "large"}},
		},
	}}, nil
}

func (p *plugin) Plan(_ context.Context, q *contractv1.Question) ([]string, error) {
	asks := q.GetParameters()["asks"]
	switch q.GetParameters()["how"] {
	case "plan many":
		many := make([]string, 100)
		for i := range many {
			many[i] = asks
		}
		return many, nil
	case "plan twice":
		return []string{asks, asks}, nil
	case "plan none":
		return nil, nil
	case "plan crash":
		os.Exit(7)
	case "plan hang":
		select {}
	case "plan error":
		return nil, errors.New("the list of workflows is not there")
	case "plan refused":
		return nil, status.Error(codes.InvalidArgument, "asks: name a workflow")
	}
	return []string{asks}, nil
}

func (p *plugin) Answer(_ context.Context, q *contractv1.Question, tables []*contract.Table) (*contractv1.AnswerResponse, error) {
	numbers := func(name string, values ...float64) *contractv1.Column {
		return &contractv1.Column{Name: name, Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: values}}}
	}
	answer := func(columns ...*contractv1.Column) (*contractv1.AnswerResponse, error) {
		return &contractv1.AnswerResponse{Table: &contract.Table{Columns: columns}}, nil
	}
	switch q.GetParameters()["how"] {
	case "crash":
		os.Exit(7)
	case "hang":
		select {}
	case "error":
		return nil, errors.New("a matrix has no inverse")
	case "unequal":
		return answer(numbers("a", 1, 2), numbers("b", 1))
	case "nan":
		return answer(numbers("a", math.NaN()))
	case "utf8":
		return answer(numbers("a\xff", 1))
	case "nulls":
		c := numbers("a", 1)
		c.Nulls = []uint32{7}
		return answer(c)
	case "rows":
		return answer(numbers("a", make([]float64, 1_000_000)...))
	case "huge":
		return answer(numbers("a", make([]float64, 10_000_000)...))
	case "columns":
		many := make([]*contractv1.Column, 1000)
		for i := range many {
			many[i] = numbers(strings.Repeat("x", i+1), 1)
		}
		return answer(many...)
	case "notices":
		return &contractv1.AnswerResponse{Table: &contract.Table{}, Notices: make([]string, 1000)}, nil
	}
	if len(tables) == 0 {
		return answer(numbers("nothing"))
	}
	return &contractv1.AnswerResponse{Table: tables[0], Notices: []string{"it is an echo"}}, nil
}
