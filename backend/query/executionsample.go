package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/criticalpath"
)

const (
	// sampleQuarters is from how many quarters of an hour a sample comes at least,
	// where there are as many: few would say more about a moment than the period.
	sampleQuarters = 24
	// sampleAtOnce is how many executions one stretch is expected to have: a statement for each
	// of a few would read the same granules of the table again and again.
	sampleAtOnce = 500
	// sampleRows is how many rows may be read before a sample is left smaller.
	sampleRows = 50_000_000
	// sampleMargin is how far from its execution a step is looked for.
	sampleMargin = 60 * 1000
	// sampleSpans is how many stretches of time one statement names at most.
	sampleSpans = 64
)

// executionSample reads the steps of a question's executions in stretches. Where
// there are more executions than it may read, it reads those of a few quarters of
// an hour, drawn by a hash of their time, and of them those with the smallest
// hashes of their ids: each has the same chance, and the same are drawn each time.
type executionSample struct {
	e        *Engine
	q        *question
	quarters []int64       // in the order of reading
	in       map[int64]int // executions of each
	total    int           // executions of the period
	most     int           // executions to read
	fraction float64       // of the executions of the quarters
	taken    int
	meta     Meta
}

// sample counts the executions of each quarter of an hour.
func (e *Engine) sample(ctx context.Context, p access.Principal, q *question, r Request, most int) (*executionSample, error) {
	counts, err := e.figures(ctx, p, Request{Metrics: []string{"executions"}, From: r.From, To: r.To, Granularity: Quarter, TimeZone: r.TimeZone, Filters: r.Filters})
	if err != nil {
		return nil, err
	}
	s := &executionSample{e: e, q: q, most: most, in: map[int64]int{}, fraction: 1, meta: counts.Meta}
	s.meta.Granularity, s.meta.TimeZone = Whole, q.loc.String()
	s.meta.From, s.meta.To = q.from.In(q.loc), q.to.In(q.loc)
	s.meta.PartialPeriod = q.to.After(q.now)
	if !slices.Contains(s.meta.Sources, string(levelRaw)) {
		s.meta.Sources = append(s.meta.Sources, string(levelRaw))
	}
	for row := range counts.Frame.Rows() {
		if n, ok := counts.Frame.Fields[1].At(row).(*float64); ok && n != nil && *n > 0 {
			quarter := counts.Frame.Fields[0].At(row).(time.Time).UnixMilli()
			s.quarters = append(s.quarters, quarter)
			s.in[quarter] = int(*n)
			s.total += s.in[quarter]
		}
	}
	if s.total <= most {
		return s, nil
	}
	slices.SortFunc(s.quarters, func(a, b int64) int { return cmp.Compare(scrambled(a), scrambled(b)) })
	held := 0
	for i, quarter := range s.quarters {
		if held += s.in[quarter]; held >= most && i+1 >= sampleQuarters {
			s.quarters = s.quarters[:i+1]
			break
		}
	}
	s.fraction = float64(most) / float64(held)
	return s, nil
}

// scrambled is a hash (the finalizer of MurmurHash3).
func scrambled(n int64) uint64 {
	h := uint64(n)
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func (s *executionSample) next() bool {
	return len(s.quarters) > 0 && s.taken < s.most && s.meta.RowsRead < sampleRows
}

// stretch reads which executions of the next quarters are to be looked at.
func (s *executionSample) stretch(ctx context.Context) (ids []string, windows map[string]span, err error) {
	var spans []span
	width := Quarter.width() * 1000
	for expected := 0.0; len(s.quarters) > 0 && len(spans) < sampleSpans && expected < sampleAtOnce; s.quarters = s.quarters[1:] {
		quarter := s.quarters[0]
		spans = append(spans, span{max(quarter, s.q.from.UnixMilli()), min(quarter+width, s.q.to.UnixMilli())})
		expected += float64(s.in[quarter]) * s.fraction
	}
	ids, windows, err = s.executions(ctx, join(spans))
	s.taken += len(ids)
	return ids, windows, err
}

// read adds the paths of the next quarters' executions up.
func (s *executionSample) read(ctx context.Context, sum *pathSum) error {
	ids, windows, err := s.stretch(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	b := newBinder(s.q.scope)
	steps := *s.q
	steps.filters = nil // They are the executions'.
	around := make([]span, 0, len(windows))
	for _, w := range windows {
		around = append(around, span{max(0, w.from-sampleMargin), w.to + sampleMargin})
	}
	st := statement{sql: steps.steps(b, within("time", few(around, sampleSpans), b.millis), "execution_id IN "+b.bind(ids, "Array(String)")), params: b.params}
	var c stepColumns
	var rows []stepRow
	add := func(w span) {
		if w.from == w.to { // Of one without a duration it is not known when it began.
			w.from = criticalpath.Unknown
		}
		sum.add(rows, w.from, w.to)
		rows = rows[:0]
	}
	finish := func() {
		if len(rows) > 0 {
			id := rows[0].execution
			add(windows[id])
			delete(windows, id)
		}
	}
	more, err := s.e.scan(ctx, "steps", st, c.results(), func(i int) error {
		row := c.row(i)
		if len(rows) > 0 && rows[0].execution != row.execution {
			finish()
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return err
	}
	finish()
	for _, w := range windows { // Those without steps.
		add(w)
	}
	s.meta.RowsRead, s.meta.SQL = s.meta.RowsRead+more, append(s.meta.SQL, st.sql)
	return nil
}

// executions reads which ended in spans, each with when it began and ended.
func (s *executionSample) executions(ctx context.Context, spans []span) (ids []string, windows map[string]span, err error) {
	b := newBinder(s.q.scope)
	chosen := ""
	if s.fraction < 1 {
		chosen = " AND cityHash64(id) <= " + b.bind(uint64(s.fraction*(1<<63))*2, "UInt64")
	}
	st := statement{params: b.params, sql: fmt.Sprintf(`SELECT id, max(toUnixTimestamp64Milli(time)) AS ended, argMax(duration_ms, time) AS duration
FROM %s AS r
WHERE 1%s%s
GROUP BY id
ORDER BY cityHash64(id), id
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		b.rows("executions", "tenant = {tenant:String} AND phase = 'terminal' AND "+within("time", spans, b.millis), ""), s.q.conditions(b, s.q.timed(rollupSources[metric.SourceExecutions].columns(), rawSeconds)), chosen, s.most-s.taken)}
	var id proto.ColStr
	var end, duration proto.ColInt64
	windows = map[string]span{}
	rowsRead, err := s.e.scan(ctx, "executions", st, proto.Results{
		{Name: "id", Data: &id}, {Name: "ended", Data: &end}, {Name: "duration", Data: &duration},
	}, func(i int) error {
		ids = append(ids, id.Row(i))
		windows[id.Row(i)] = span{max(0, end[i]-duration[i]), end[i]}
		return nil
	})
	s.meta.RowsRead, s.meta.SQL = s.meta.RowsRead+rowsRead, append(s.meta.SQL, st.sql)
	return ids, windows, err
}

// few makes at most that many spans of any, by closing the smallest gaps.
func few(spans []span, most int) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
		} else {
			out = append(out, s)
		}
	}
	if len(out) <= most {
		return out
	}
	gaps := make([]int64, len(out)-1)
	for i := range gaps {
		gaps[i] = out[i+1].from - out[i].to
	}
	slices.Sort(gaps)
	closed := gaps[len(gaps)-most]
	joined := out[:1]
	for _, s := range out[1:] {
		if last := &joined[len(joined)-1]; s.from-last.to <= closed {
			last.to = s.to
		} else {
			joined = append(joined, s)
		}
	}
	return joined
}
