package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

const day = 24 * time.Hour

// move takes the next of the steps by which days leave the window.
func (k *Keeper) move(ctx context.Context, s State) (State, error) {
	if !k.aged(s, k.grace) {
		return s, nil
	}
	if err := k.dropMoved(ctx, s); err != nil {
		return s, err
	}
	// A whole day stays between what is moved and what may be asked for.
	if until := s.Earliest().Truncate(day).Add(-day).UnixMicro(); s.Moved < until {
		for _, table := range Tables {
			if err := k.toBaseline(ctx, table, until); err != nil {
				return s, err
			}
		}
		s.Moved = until
		return k.write(ctx, s)
	}
	if since := k.now().Add(-time.Duration(k.days) * day).UTC().Truncate(day).UnixMicro(); s.Since < since {
		s.Since = since
		return k.write(ctx, s)
	}
	return s, nil
}

// toBaseline copies the days before a moment, one after the other.
func (k *Keeper) toBaseline(ctx context.Context, table string, until int64) error {
	list, err := columns(ctx, k.client, table)
	if err != nil {
		return err
	}
	days, err := k.daysBefore(ctx, table, until)
	if err != nil {
		return err
	}
	for _, d := range days {
		sql := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE toDate(stored_at) = toDate({day:String})", table+Baseline, list, list, table+Versions)
		if err := k.client.Exec(ctx, sql, map[string]any{"day": d}); err != nil {
			return fmt.Errorf("move %s of %s to the baseline: %w", table, d, err)
		}
	}
	return nil
}

// dropMoved drops the days that are in the baselines.
func (k *Keeper) dropMoved(ctx context.Context, s State) error {
	for _, table := range Tables {
		days, err := k.daysBefore(ctx, table, s.Moved)
		if err != nil {
			return err
		}
		for _, d := range days {
			if err := schema.Alter(ctx, k.client, table+Versions, "DROP PARTITION '"+d+"'"); err != nil {
				return fmt.Errorf("drop the history of %s of %s: %w", table, d, err)
			}
		}
	}
	return nil
}

// daysBefore lists the days of a history that ended by a moment.
func (k *Keeper) daysBefore(ctx context.Context, table string, until int64) ([]string, error) {
	var d proto.ColStr
	var days []string
	err := k.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT DISTINCT toString(toDate(stored_at)) AS d FROM " + table + Versions + " WHERE toDate(stored_at) < toDate(fromUnixTimestamp64Micro({until:Int64}, 'UTC'))",
		Params: map[string]any{"until": until},
		Result: proto.Results{{Name: "d", Data: &d}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range d.Rows() {
				days = append(days, d.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("list the days of the history of %s: %w", table, err)
	}
	slices.Sort(days)
	return days, nil
}
