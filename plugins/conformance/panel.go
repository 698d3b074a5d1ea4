package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/panel/hosted"
	"github.com/flowgauge/flowgauge/backend/plugintable"
	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// manyRows is as many as an answer has.
const manyRows = plugintable.MaxRows

// panelKinds makes the checks of each kind of a panel.
func (t *tester) panelKinds(ctx context.Context, h *host.Host, id string) {
	panels := hosted.New(h, t.logger())
	kinds, err := panels.Kinds(ctx, id)
	t.check("panel: it describes its kinds", func() error { return err })
	for i := range kinds {
		k := &panelKind{tester: t, panels: panels, info: kinds[i]}
		k.checks(ctx)
	}
}

// A panelKind is one that is checked.
type panelKind struct {
	*tester
	panels *hosted.Panels
	info   query.KindInfo
}

// question has the parameters that are required, by their examples. filled has all.
func (k *panelKind) question(filled bool) *contractv1.Question {
	q := &contractv1.Question{
		Kind: string(k.info.Kind), From: 1_767_225_600_000, To: 1_769_904_000_000, TimeZone: "Europe/Berlin", Parameters: map[string]string{},
	}
	for _, p := range k.info.Params {
		if !p.Required && !filled {
			continue
		}
		for _, value := range append([]string{p.Example, p.Default}, p.Allowed...) {
			if value != "" {
				q.Parameters[p.Name] = value
				break
			}
		}
	}
	if filled && len(k.info.Uses) > 0 {
		q.Granularity = string(query.Day)
	}
	return q
}

func (k *panelKind) checks(ctx context.Context) {
	kind := string(k.info.Kind)
	name := func(what string) string { return "panel, kind " + kind + ": " + what }
	plain, filled := k.question(false), k.question(true)
	var plans [2][]query.Request
	t := k.tester
	failed := t.failed
	t.check(name("its plans are questions that Flowgauge takes, with the parameters that are required and with all"), func() (err error) {
		for i, q := range []*contractv1.Question{plain, filled} {
			if plans[i], err = k.plan(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	if t.failed > failed {
		return
	}
	few := tables(plans[0], 3, "a")
	t.check(name("it answers: with rows, without a value in some, without any value, without rows"), func() error {
		for _, some := range [][]*contractv1.Table{few, blank(few, 2), blank(few, 1), tables(plans[0], 0, "a"), empty(plans[0])} {
			if _, err := k.answer(ctx, plain, some); err != nil {
				return err
			}
		}
		_, err := k.answer(ctx, filled, tables(plans[1], 3, "a"))
		return err
	})
	t.check(name(fmt.Sprintf("it answers of %d rows", manyRows)), func() error {
		_, err := k.answer(ctx, plain, tables(plans[0], manyRows/max(1, len(plans[0])), "a"))
		return err
	})
	t.check(name("the same question with the same data has the same answer, four times at once and with others between"), func() error {
		first, err := k.answer(ctx, plain, few)
		if err != nil {
			return err
		}
		errs := make([]error, 4)
		var all sync.WaitGroup
		for n := range errs {
			all.Go(func() {
				// Another user's data, which must not be in the answer.
				if _, err := k.answer(ctx, plain, tables(plans[0], 5, "other")); err != nil {
					errs[n] = err
					return
				}
				again, err := k.answer(ctx, plain, few)
				if err == nil && !proto.Equal(first, again) {
					err = fmt.Errorf("once it was %v, once %v", first, again)
				}
				errs[n] = err
			})
		}
		all.Wait()
		return errors.Join(errs...)
	})
	t.check(name("it refuses a parameter that is nonsense, or takes it, and stays up"), func() error {
		for _, p := range k.info.Params {
			if len(p.Allowed) > 0 {
				continue // Flowgauge refuses others
			}
			for _, value := range []string{"\u200b\n\t😀", strings.Repeat("x", 10_000), `"'; DROP TABLE <b>`, "-1", "NaN"} {
				q := k.question(true)
				q.Parameters[p.Name] = value
				var refused *query.RequestError
				if _, err := k.plan(ctx, q); err != nil && !errors.As(err, &refused) {
					return fmt.Errorf("parameter %s is %q: %w: refuse it with the status INVALID_ARGUMENT", p.Name, query.Shortened(value), err)
				}
			}
		}
		return nil
	})
}

func (k *panelKind) plan(ctx context.Context, q *contractv1.Question) (requests []query.Request, err error) {
	err = k.panels.Plan(ctx, &contractv1.PlanRequest{Question: q}, func(plan *contractv1.PlanResponse) error {
		requests, err = panel.Requests(plan)
		return err
	})
	for i, r := range requests {
		if err := query.Sound(r); err != nil {
			return nil, fmt.Errorf("question %d of its plan: %w", i+1, err)
		}
	}
	return requests, err
}

func (k *panelKind) answer(ctx context.Context, q *contractv1.Question, of []*contractv1.Table) (answer *contractv1.AnswerResponse, err error) {
	err = k.panels.Answer(ctx, &contractv1.AnswerRequest{Question: q, Tables: of}, func(res *contractv1.AnswerResponse) error {
		answer = res
		out, err := panel.Result(res, time.UTC)
		if err != nil || len(k.info.Fields) == 0 || len(out.Frame.Fields) == 0 {
			return err
		}
		for i, f := range out.Frame.Fields {
			if i >= len(k.info.Fields) || k.info.Fields[i].Name != f.Name {
				return fmt.Errorf("its answer has a column %q that it has not described there: it says that there are %v", f.Name, k.info.Fields)
			}
		}
		return nil
	})
	return answer, err
}
