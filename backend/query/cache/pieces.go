package cache

import (
	"context"
	"errors"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/query"
)

// piece is a part of an answer, between two cuts.
type piece struct {
	from, to time.Time
	key      string
	asked    *query.Asked
	kept     bool // it lies between two cuts: others have the same
	result   *query.Result
}

// pieces cuts a question's period.
func (q *question) pieces() []piece {
	edges := []time.Time{q.From}
	for _, cut := range q.Cuts {
		if cut.After(edges[len(edges)-1]) {
			edges = append(edges, cut)
		}
	}
	edges = append(edges, q.To)
	out := make([]piece, len(edges)-1)
	for i := range out {
		p := piece{from: edges[i], to: edges[i+1]}
		p.asked = q.Part(p.from, p.to)
		p.key = "piece\x00" + periodKey(q.key, p.from, p.to) // A whole answer for that period tells more: of what was cut off, and how.
		p.kept = (i > 0 || q.From.Equal(q.Cuts[0])) && i < len(out)-1
		out[i] = p
	}
	return out
}

// pieced answers a question from the pieces that are kept and from what it asks for.
// Without a result it has to be asked for whole.
func (c *Cache) pieced(ctx context.Context, q *question) (*query.Result, error) {
	pieces := q.pieces()
	found := c.find(ctx, q, pieces)
	if err := c.fill(ctx, q, pieces); err != nil {
		if errors.Is(err, errWhole) {
			err = nil
		}
		return nil, err
	}
	rows := 0
	for _, p := range pieces {
		rows += p.result.Frame.Rows()
	}
	if rows > q.MaxRows {
		return nil, nil
	}
	res := q.join(pieces)
	if found == 0 {
		c.metrics.answered(miss)
	} else {
		c.metrics.answered(partial)
	}
	c.keep(q, q.whole, q.Asked, res)
	return res, nil
}

// find looks pieces up, in this process and then in Redis.
func (c *Cache) find(ctx context.Context, q *question, pieces []piece) (found int) {
	var missing []*piece
	for i := range pieces {
		p := &pieces[i]
		if !p.kept {
			continue
		}
		if e := c.memory.get(p.key); e != nil && e.current(q) {
			p.result = e.result
			found++
			continue
		}
		missing = append(missing, p)
	}
	for i, e := range c.shared.getMany(ctx, missing) {
		if e != nil && e.current(q) {
			c.memory.put(e)
			missing[i].result = e.result
			found++
		}
	}
	return found
}

// errWhole says that a question has to be asked for whole.
var errWhole = errors.New("not in pieces")

// fill asks for the pieces that are missing, those that touch at once. What is not kept
// is asked for apart: how an answer was read says whether it may be kept.
func (c *Cache) fill(ctx context.Context, q *question, pieces []piece) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := 0; i < len(pieces); {
		end := i + 1
		for end < len(pieces) && pieces[i].kept && pieces[end].kept && pieces[i].result == nil && pieces[end].result == nil {
			end++
		}
		if run := pieces[i:end]; run[0].result == nil {
			group.Go(func() error {
				r := q.request
				r.From, r.To = run[0].from, run[len(run)-1].to
				res, err := c.Engine.Do(ctx, q.principal, r)
				switch {
				case err != nil:
					return err
				case res.Meta.Truncated || len(res.Meta.Notices) > 0: // What they say is about all of an answer.
					return errWhole
				}
				c.split(ctx, q, run, res)
				return nil
			})
		}
		i = end
	}
	return group.Wait()
}

// split cuts an answer into the pieces that it was asked for, and keeps those that
// others will ask for.
func (c *Cache) split(ctx context.Context, q *question, pieces []piece, res *query.Result) {
	pieces[0].result = res
	if len(pieces) > 1 {
		times, from := res.Frame.Fields[0], 0
		for i := range pieces {
			to := from
			for to < times.Len() && (i == len(pieces)-1 || times.At(to).(time.Time).Before(pieces[i].to)) {
				to++
			}
			pieces[i].result = slice(res, from, to)
			m := &pieces[i].result.Meta
			m.From, m.To = pieces[i].from.In(m.From.Location()), pieces[i].to.In(m.From.Location())
			from = to
			if i > 0 { // The first of them tells how all came about.
				m.SQL, m.RowsRead, m.PendingBuckets, m.Notices = nil, 0, 0, nil
			}
		}
	}
	var others []*entry
	for i := range pieces {
		p := &pieces[i]
		if _, settled := p.asked.State(q.changes); !p.kept || !settled {
			continue
		}
		kept := *p.result
		kept.Meta.SQL, kept.Meta.RowsRead, kept.Meta.PendingBuckets = nil, 0, 0 // It is settled: what waits is elsewhere.
		if e := c.keep(q, p.key, p.asked, &kept); e != nil {
			others = append(others, e)
		}
	}
	c.shared.put(ctx, others...)
}

// slice returns some rows of an answer.
func slice(res *query.Result, from, to int) *query.Result {
	out := &query.Result{Frame: emptied(res.Frame, to-from), Exact: make(map[string][]string, len(res.Exact)), Meta: res.Meta}
	copyRows(out.Frame, 0, res.Frame, from, to)
	for name, values := range res.Exact {
		out.Exact[name] = values[from:to:to]
	}
	return out
}

// join puts pieces together.
func (q *question) join(pieces []piece) *query.Result {
	if len(pieces) == 1 {
		return pieces[0].result
	}
	rows := 0
	metas := make([]query.Meta, len(pieces))
	for i, p := range pieces {
		rows += p.result.Frame.Rows()
		metas[i] = p.result.Meta
	}
	first := pieces[0].result
	out := &query.Result{Frame: emptied(first.Frame, rows), Exact: map[string][]string{}, Meta: q.Pieced(metas, q.now)}
	for name := range first.Exact {
		out.Exact[name] = make([]string, 0, rows)
	}
	at := 0
	for _, p := range pieces {
		n := p.result.Frame.Rows()
		copyRows(out.Frame, at, p.result.Frame, 0, n)
		for name := range out.Exact {
			out.Exact[name] = append(out.Exact[name], p.result.Exact[name]...)
		}
		at += n
	}
	return out
}

// emptied is a frame of the same fields, with rows to be filled.
func emptied(f *data.Frame, rows int) *data.Frame {
	out := data.NewFrame(f.Name)
	out.RefID, out.Meta = f.RefID, f.Meta
	for _, field := range f.Fields {
		column := data.NewFieldFromFieldType(field.Type(), rows)
		column.Name, column.Labels, column.Config = field.Name, field.Labels, field.Config
		out.Fields = append(out.Fields, column)
	}
	return out
}

func copyRows(to *data.Frame, at int, from *data.Frame, first, end int) {
	for i, field := range from.Fields {
		column := to.Fields[i]
		for row := first; row < end; row++ {
			column.Set(at+row-first, field.At(row))
		}
	}
}
