package export

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// never is a moment that does not come.
var never = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)

// again asks once more about a period that was delivered, if there is one whose time has come,
// and delivers it once more if late events, corrections or prices have changed its answer.
func (w *worker) again(ctx context.Context) (looked bool, err error) {
	now := w.cfg.Now()
	if now.Before(w.look) {
		return false, nil
	}
	old, known, err := w.store.next(ctx, w.of)
	switch {
	case err != nil:
		return false, err
	case !known:
		w.look = never
		return false, nil
	case now.Before(old.again):
		w.look = old.again
		return false, nil
	}
	outcome, err := w.compare(ctx, old)
	return err == nil, w.note(ctx, old.period, outcome, err)
}

// compare delivers a period anew where its answer is another one.
func (w *worker) compare(ctx context.Context, old exported) (outcome string, err error) {
	if err := w.of.To.Err(); err != nil { // nobody need be asked
		return string(host.FailureOf(err)), err
	}
	asked := w.cfg.Now()
	now, err := w.ask(ctx, old.period)
	if err != nil {
		return unanswered(err), err
	}
	outcome = outcomeUnchanged
	if now.digest != old.answer {
		// Where this ends between two parts, the answer that was delivered may be the right
		// one again the next time, and what is there is a mixture.
		if old.answer != "" {
			old.answer = ""
			if err := w.store.keep(ctx, w.of, old); err != nil {
				return outcomeFailed, err
			}
		}
		if err := w.hand(ctx, old.period, now, "a period was exported again, because its answer has changed"); err != nil {
			return string(host.FailureOf(err)), err
		}
		outcome = outcomeCorrected
	}
	return outcome, w.kept(ctx, exported{period: old.period, answer: now.digest, again: w.of.after(old.to, asked)})
}

// after is when a period is asked about the next time, after it was asked about at some moment.
func (x *Export) after(to, asked time.Time) time.Time {
	for _, age := range x.Again {
		if at := to.Add(age); at.After(asked) {
			return at
		}
	}
	return time.Time{}
}

// exported is a period that was delivered.
type exported struct {
	period
	answer string    // its digest; empty is none that is there as a whole
	again  time.Time // when it is asked about; zero is never
}

// next is the period that is asked about again before all others.
func (s store) next(ctx context.Context, x *Export) (e exported, known bool, err error) {
	begins, ends, again := moments(), moments(), moments()
	answer := new(proto.ColStr)
	err = s.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT begins, ends, answer, again_at FROM exported FINAL
WHERE tenant = {tenant:String} AND name = {name:String} AND question = {question:String} AND toUnixTimestamp64Milli(again_at) > 0
ORDER BY again_at, begins LIMIT 1`,
		Params: map[string]any{"tenant": x.Tenant, "name": x.Name, "question": x.question},
		Result: proto.Results{{Name: "begins", Data: begins}, {Name: "ends", Data: ends}, {Name: "answer", Data: answer}, {Name: "again_at", Data: again}},
		OnResult: func(context.Context, proto.Block) error {
			if again.Rows() > 0 {
				e, known = exported{period{begins.Row(0).UTC(), ends.Row(0).UTC()}, answer.Row(0), again.Row(0).UTC()}, true
			}
			return nil
		},
	})
	if err != nil {
		return e, false, fmt.Errorf("read which periods are asked about again: %w", err)
	}
	return e, known, nil
}

// keep stores what was delivered of a period.
func (s store) keep(ctx context.Context, x *Export, e exported) error {
	var again int64
	if !e.again.IsZero() {
		again = e.again.UnixMilli()
	}
	err := s.client.Exec(ctx, `INSERT INTO exported (tenant, name, question, begins, ends, answer, again_at) SELECT {tenant:String}, {name:String}, {question:String},
    fromUnixTimestamp64Milli({begins:Int64}, 'UTC'), fromUnixTimestamp64Milli({ends:Int64}, 'UTC'), {answer:String}, fromUnixTimestamp64Milli({again:Int64}, 'UTC')`,
		map[string]any{
			"tenant": x.Tenant, "name": x.Name, "question": x.question, "begins": e.from.UnixMilli(), "ends": e.to.UnixMilli(), "answer": e.answer, "again": again,
		})
	if err != nil {
		return fmt.Errorf("store what was delivered: %w", err)
	}
	return nil
}
