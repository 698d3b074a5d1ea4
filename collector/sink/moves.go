package sink

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/event"
)

// moves are the events of a batch that come from another time, by kind.
type moves map[event.Kind][]move

type move struct {
	from, to event.Identity
	row      int // of the event at its new time
}

func (m moves) add(e *event.Event, row int) {
	from := e.Identity()
	from.Time = e.PreviousTime
	m[e.Kind] = append(m[e.Kind], move{from: from, to: e.Identity(), row: row})
}

// bringBack lets events stand that move to a time which they, or an earlier
// correction of theirs, had moved away from. There they meet a deletion that is above
// every receipt, so they are put above receipts as well; among those rows the
// later receipt wins again.
//
// Only events that move are looked up, and those are few. An event that does not
// move never brings an identity back: most often it is what was sent before the
// correction, once more. Batches before this one are stored when it is called, and
// seeing later ones does no harm: their rows have the higher receipt.
func (s *Sink) bringBack(ctx context.Context, b *batch) error {
	for kind, list := range b.moves {
		left := make(map[event.Identity]bool, len(list))
		for _, m := range list {
			left[m.from] = true
		}
		for chunk := range slices.Chunk(list, chunkMoves) {
			if err := s.left(ctx, b.tables[kind].name, kind, chunk, left); err != nil {
				return err
			}
		}
		for _, m := range list {
			if left[m.to] {
				*b.tables[kind].version(m.row) |= schema.VersionMoved
			}
		}
	}
	return nil
}

// chunkMoves is how many identities are looked up at once.
const chunkMoves = 5000

// left notes which of the new identities an event has moved away from before.
func (s *Sink) left(ctx context.Context, table string, kind event.Kind, list []move, left map[event.Identity]bool) error {
	var (
		tenants, ids []string
		times        []int64
		tenant, id   proto.ColStr
		at           proto.ColInt64
		terminal     proto.ColUInt8
	)
	for _, m := range list {
		tenants, times, ids = append(tenants, m.to.Tenant), append(times, m.to.Time), append(ids, m.to.ID)
	}
	isTerminal := "toUInt8(0)"
	if kind == event.KindExecution {
		isTerminal = "toUInt8(phase = 'terminal')"
	}
	err := s.cfg.Client.Do(ctx, clickhouse.Query{
		SQL: `SELECT tenant, toUnixTimestamp64Milli(time) AS at, id, ` + isTerminal + ` AS terminal
FROM ` + table + `
WHERE (tenant, time, id) IN (
    SELECT m.1, fromUnixTimestamp64Milli(m.2, 'UTC'), m.3
    FROM (SELECT arrayJoin(arrayZip({tenants:Array(String)}, {times:Array(Int64)}, {ids:Array(String)})) AS m)
) AND version >= {moved:UInt64}`,
		Params: map[string]any{"tenants": tenants, "times": times, "ids": ids, "moved": schema.VersionMoved},
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "at", Data: &at}, {Name: "id", Data: &id}, {Name: "terminal", Data: &terminal}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range at.Rows() {
				phase := event.PhaseNone
				if kind == event.KindExecution {
					phase = event.PhaseStarted + event.Phase(terminal.Row(i))
				}
				left[event.Identity{Tenant: tenant.Row(i), ID: id.Row(i), Time: at.Row(i), Kind: kind, Phase: phase}] = true
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("look up moved events in %s: %w", table, err)
	}
	return nil
}
