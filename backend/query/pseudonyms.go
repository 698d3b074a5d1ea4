package query

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// maxPseudonyms bounds how many are remembered; past it all are forgotten and found
// again when they are needed.
const maxPseudonyms = 1_000_000

// pseudonyms remembers whose a pseudonym is. One cannot be turned back: it is found
// among those of the users that there are.
type pseudonyms struct {
	mu    sync.Mutex
	known map[pseudonym]string
}

// pseudonym is told apart by its key too: a new key makes new ones.
type pseudonym struct{ tenant, key, text string }

// of returns a user's pseudonym and remembers whose it is.
func (ps *pseudonyms) of(tenant string, key []byte, id string) string {
	text := access.Pseudonym(key, id)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.known == nil || len(ps.known) >= maxPseudonyms {
		ps.known = map[pseudonym]string{}
	}
	ps.known[pseudonym{tenant, string(key), text}] = id
	return text
}

func (ps *pseudonyms) id(tenant string, key []byte, text string) (string, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	id, ok := ps.known[pseudonym{tenant, string(key), text}]
	return id, ok
}

// ids returns whose pseudonyms are. What is none, a user's own id for one, is
// nobody's: else a caller could find out who is who by trying ids.
func (g *guard) ids(ctx context.Context, from, to int64, texts []string) ([]string, error) {
	out, looked := make([]string, len(texts)), false
	for i, text := range texts {
		if text == "" {
			continue
		}
		out[i] = nobody
		if !access.IsPseudonym(text) {
			continue
		}
		id, ok := g.e.pseudonyms.id(g.p.Tenant, g.PseudonymKey, text)
		if !ok && !looked {
			looked = true
			if _, err := g.users(ctx, from, to); err != nil {
				return nil, err
			}
			id, ok = g.e.pseudonyms.id(g.p.Tenant, g.PseudonymKey, text)
		}
		if ok {
			out[i] = id
		}
	}
	return out, nil
}

// users returns the users of a period (Unix milliseconds) whom the caller sees, each
// with a pseudonym that is remembered. Minutes that wait for their rollup are read from
// the events.
func (g *guard) users(ctx context.Context, from, to int64) (*disguise, error) {
	s, err := scopeOf(g.p)
	if err != nil {
		return nil, err
	}
	changes, err := g.e.pending.read(ctx, g.p.Tenant)
	if err != nil {
		return nil, err
	}
	q := &question{scope: s}
	b := newBinder(s)
	const day = secondsPerDay * 1000
	days := span{floorTo(from, day), floorTo(to+day-1, day)}
	var branches []string
	for _, source := range []metric.Source{metric.SourceExecutions, metric.SourceSteps, metric.SourceCosts, metric.SourceActivity} {
		src := rollupSources[source]
		branches = append(branches, fmt.Sprintf("    SELECT DISTINCT user_id FROM %s WHERE tenant = {tenant:String} AND %s%s",
			src.rollup, b.buckets([]segment{{levelDayUser, []span{days}}}), q.conditions(b, src.dimensions)))
		if waiting := changes.pending.spans(src.kind, days); len(waiting) > 0 {
			branches = append(branches, fmt.Sprintf("    SELECT DISTINCT user_id FROM %s WHERE tenant = {tenant:String} AND %s%s",
				string(source), within("time", waiting, b.millis), q.conditions(b, src.dimensions)))
		}
	}
	if g.past {
		for _, table := range history.Tables {
			for _, suffix := range []string{history.Baseline, history.Versions} {
				branches = append(branches, fmt.Sprintf("    SELECT DISTINCT user_id FROM %s WHERE tenant = {tenant:String} AND %s%s",
					table+suffix, within("time", []span{days}, b.millis), q.conditions(b, nil)))
			}
		}
	}
	var col proto.ColStr
	out := &disguise{of: map[string]string{}}
	err = g.e.client.Do(ctx, clickhouse.Query{
		SQL:    fmt.Sprintf("SELECT DISTINCT user_id FROM (\n%s\n) WHERE user_id != '' LIMIT %d", strings.Join(branches, "\n    UNION ALL\n"), maxPseudonyms),
		Params: b.params, Settings: g.e.settings(),
		Result: proto.Results{{Name: "user_id", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				id := col.Row(i)
				out.add(id, g.e.pseudonyms.of(g.p.Tenant, g.PseudonymKey, id))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	return out, nil
}
