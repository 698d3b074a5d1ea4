package history

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// begin starts a history anew: nothing of an earlier one is of use, since what was
// replaced after its end is not known.
func (k *Keeper) begin(ctx context.Context, s State) (State, error) {
	there, err := k.existing(ctx)
	if err != nil {
		return s, err
	}
	if err := k.drop(ctx, there); err != nil {
		return s, err
	}
	if err := k.empty(ctx); err != nil {
		return s, err
	}
	stored, err := k.storedAny(ctx)
	if err != nil {
		return s, err
	}
	if err := k.views(ctx); err != nil {
		return s, err
	}
	began := State{Change: s.Change, Phase: Starting}
	if stored {
		began.Since = k.now().UnixMicro()
		for _, table := range Tables {
			if err := k.copyRaw(ctx, table, "1", nil); err != nil {
				return s, err
			}
		}
	}
	return k.write(ctx, began)
}

// slack is how much longer ago than the views' beginning rows may have got the time
// of their storing and yet have been inserted while they were made.
const slack = 10 * 60 * 1_000_000

// finish copies what was being inserted when the views were made, once that is over.
// Since is the end of that, or 0 where nothing was stored before.
func (k *Keeper) finish(ctx context.Context, s State) (State, error) {
	if !k.aged(s, k.start) {
		return s, nil
	}
	began := s.Since
	if began == 0 {
		began = s.At
	}
	for _, table := range Tables {
		err := k.copyRaw(ctx, table, "stored_at >= fromUnixTimestamp64Micro({from:Int64}, 'UTC') AND stored_at <= fromUnixTimestamp64Micro({to:Int64}, 'UTC')",
			map[string]any{"from": began - slack, "to": s.At + slack})
		if err != nil {
			return s, err
		}
	}
	s.Phase = On
	if s.Since != 0 {
		s.Since = k.now().UnixMicro()
	}
	return k.write(ctx, s)
}

// switchOff says first that there is no history, then removes it. Repeated, it removes
// what a crash has left.
func (k *Keeper) switchOff(ctx context.Context, s State) (State, error) {
	there, err := k.existing(ctx)
	if err != nil || s.Phase == Off && len(there) == 0 {
		return s, err
	}
	if s.Phase != Off {
		if s, err = k.write(ctx, State{Change: s.Change, Phase: Off}); err != nil {
			return s, err
		}
	}
	if err := k.empty(ctx); err != nil {
		return s, err
	}
	return s, k.drop(ctx, there) // last, because they say that there is something to remove
}

// copyRaw copies rows of a raw table into its baseline.
func (k *Keeper) copyRaw(ctx context.Context, table, where string, params map[string]any) error {
	list, err := columns(ctx, k.client, table)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s", table+Baseline, list, list, table, where)
	if err := k.client.Exec(ctx, sql, params); err != nil {
		return fmt.Errorf("copy what stands in %s: %w", table, err)
	}
	return nil
}

// storedAny reports whether any event was stored yet.
func (k *Keeper) storedAny(ctx context.Context) (bool, error) {
	for _, table := range Tables {
		var n proto.ColUInt64
		err := k.client.Do(ctx, clickhouse.Query{
			SQL:    "SELECT count() AS n FROM (SELECT 1 FROM " + table + " LIMIT 1)",
			Result: proto.Results{{Name: "n", Data: &n}},
		})
		if err != nil {
			return false, fmt.Errorf("look into %s: %w", table, err)
		}
		if n.Row(0) > 0 {
			return true, nil
		}
	}
	return false, nil
}
