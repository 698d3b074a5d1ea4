package history

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Phase says whether history is kept.
type Phase int8

// The phases, by their numbers in history_state.
const (
	Off      Phase = 0
	Starting Phase = 1 // what is stored already is being copied
	On       Phase = 2
)

// State is how far the history goes back. Times are microseconds since 1970.
type State struct {
	Change uint64 // counts the changes
	Phase  Phase
	Since  int64 // the earliest moment that the history knows
	Moved  int64 // what was stored on days before it is in the baselines
	At     int64 // when this was written
}

// Earliest is Since as a time.
func (s State) Earliest() time.Time { return time.UnixMicro(s.Since).UTC() }

// Read returns the state of a database.
func Read(ctx context.Context, client *clickhouse.Client) (State, error) {
	var (
		change           proto.ColUInt64
		phase            proto.ColInt8
		since, moved, at proto.ColInt64
		s                State
	)
	err := client.Do(ctx, clickhouse.Query{
		SQL: "SELECT change, toInt8(phase) AS state, since, moved, changed_at FROM history_state WHERE tenant = '' ORDER BY change DESC, changed_at DESC LIMIT 1",
		Result: proto.Results{
			{Name: "change", Data: &change},
			{Name: "state", Data: &phase},
			{Name: "since", Data: &since},
			{Name: "moved", Data: &moved},
			{Name: "changed_at", Data: &at},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range change.Rows() {
				s = State{Change: change[i], Phase: Phase(phase[i]), Since: since[i], Moved: moved[i], At: at[i]}
			}
			return nil
		},
	})
	if err != nil {
		return s, fmt.Errorf("read how far the history goes back: %w", err)
	}
	return s, nil
}

// write makes a state the one that stands.
func (k *Keeper) write(ctx context.Context, s State) (State, error) {
	s.Change, s.At = s.Change+1, k.now().UnixMicro()
	err := k.client.Exec(ctx, "INSERT INTO history_state (tenant, change, phase, since, moved, changed_at) SELECT '', {change:UInt64}, {phase:Int8}, {since:Int64}, {moved:Int64}, {at:Int64}",
		map[string]any{"change": s.Change, "phase": int(s.Phase), "since": s.Since, "moved": s.Moved, "at": s.At})
	if err != nil {
		return s, fmt.Errorf("write how far the history goes back: %w", err)
	}
	k.log.InfoContext(ctx, "the history of events has changed", "on", s.Phase == On, "since", s.Earliest(), "moved", time.UnixMicro(s.Moved).UTC())
	return s, nil
}

// aged reports whether a state has stood for so long.
func (k *Keeper) aged(s State, grace time.Duration) bool {
	return k.now().Sub(time.UnixMicro(s.At)) >= grace
}
