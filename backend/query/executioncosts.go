package query

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/stats/significance"
)

// costMargin is how long after an execution's end its costs are looked for.
const costMargin = 60 * 60 * 1000

// executionCosts are what single executions cost, those without a cost record 0.
type executionCosts struct {
	values  []float64
	records int // executions that have some
	total   int // of the period
	meta    Meta
}

// costs reads what the executions of a question, or a sample of them, cost each.
func (e *Engine) costs(ctx context.Context, p access.Principal, q *question, r Request) (*executionCosts, error) {
	s, err := e.sample(ctx, p, q, r, defaultSample)
	if err != nil {
		return nil, err
	}
	c := &executionCosts{}
	for s.next() {
		ids, windows, err := s.stretch(ctx)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			continue
		}
		if err := c.read(ctx, s, ids, windows); err != nil {
			return nil, err
		}
	}
	c.total, c.meta = max(s.total, len(c.values)), s.meta
	return c, nil
}

func (c *executionCosts) read(ctx context.Context, s *executionSample, ids []string, windows map[string]span) error {
	b := newBinder(s.q.scope)
	own := *s.q
	own.filters = nil // They are the executions'.
	around := make([]span, 0, len(windows))
	for _, w := range windows {
		around = append(around, span{max(0, w.from-sampleMargin), w.to + costMargin})
	}
	st := statement{params: b.params, sql: fmt.Sprintf(`SELECT toFloat64(sum(dollars)) AS cost
FROM %s AS r
WHERE 1%s
GROUP BY execution_id
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		b.rows("costs", "tenant = {tenant:String} AND "+within("time", few(around, sampleSpans), b.millis), "execution_id IN "+b.bind(ids, "Array(String)")), own.conditions(b, rollupSources[metric.SourceCosts].dimensions))}
	var cost proto.ColFloat64
	found := 0
	rowsRead, err := s.e.scan(ctx, "costs", st, proto.Results{{Name: "cost", Data: &cost}}, func(i int) error {
		c.values = append(c.values, cost[i])
		found++
		return nil
	})
	if err != nil {
		return err
	}
	c.records += found
	c.values = append(c.values, make([]float64, len(ids)-found)...)
	s.meta.RowsRead, s.meta.SQL = s.meta.RowsRead+rowsRead, append(s.meta.SQL, st.sql)
	return nil
}

func (c *executionCosts) notice(side string) string {
	return fmt.Sprintf("cost: %d of %d executions of the %s were read, chosen evenly", len(c.values), c.total, side)
}

// compareCosts tests the means. Where neither side has a cost record, nothing is
// known: 0 would be a figure.
func compareCosts(a, b *executionCosts) comparisonRow {
	row := emptyRow("cost_per_execution", "currencyUSD")
	if a == nil || b == nil || a.records+b.records == 0 {
		return row
	}
	row.n = [2]uint64{uint64(len(a.values)), uint64(len(b.values))}
	baseline, candidate := significance.MomentsOf(significance.Of(a.values)), significance.MomentsOf(significance.Of(b.values))
	if len(a.values) > 0 {
		row.baseline = baseline.Mean
	}
	if len(b.values) > 0 {
		row.candidate = candidate.Mean
	}
	if !row.both() {
		return row
	}
	row.difference = row.candidate - row.baseline
	row.test, row.interval = significance.Welch(baseline, candidate, confidence)
	return row
}
