package rollup

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Buckets from before there were narrow rollups get theirs from here. They are
// recomputed, as if their minutes had been marked, which leaves every figure as it is:
// whole days, the newest first. Questions read narrow rollups of the days that are done
// (table narrow_since); what is published meanwhile has narrow rows anyway, and no
// roller from before can publish any more.

// start takes up the term's work: what is pending is marked again, and kinds that have
// no older buckets need none of the following.
func (l *leader) start(ctx context.Context) error {
	if err := l.remark(ctx); err != nil {
		return err
	}
	for _, k := range kinds {
		if _, _, _, err := l.unfilled(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// fill does the next days of one kind and reports whether all kinds are done. One step
// takes as long as the recomputation of these days, and new marks wait for it.
func (l *leader) fill(ctx context.Context) (done bool, err error) {
	for _, k := range kinds {
		from, to, some, err := l.unfilled(ctx, k)
		if err != nil {
			return false, err
		}
		if !some {
			continue
		}
		minutes, err := l.minutesOf(ctx, k, from, to)
		if err != nil {
			return false, err
		}
		for _, c := range slices.Backward(chunks(minutes, l.chunk)) {
			c.unchanged = true
			if err := l.rewrite(ctx, k, c); err != nil {
				return false, fmt.Errorf("narrow rollups: %s of %s: %w", k.name, c.String(), err)
			}
			l.log.Info("made narrow rollups", "kind", k.name, "days", c.String())
		}
		return false, l.setNarrowSince(ctx, k, from)
	}
	return true, nil
}

// unfilled returns the next days of a kind that have no narrow rows, as many as make
// one step and at least one. A kind that has none is noted as done.
func (l *leader) unfilled(ctx context.Context, k kind) (from, to int64, some bool, err error) {
	if l.filled[k.name] {
		return 0, 0, false, nil
	}
	if to, err = l.narrowSince(ctx, k); err != nil {
		return 0, 0, false, err
	}
	if to > 0 {
		from, some, err = l.daysBefore(ctx, k, to)
		if err == nil && !some {
			err = l.setNarrowSince(ctx, k, 0)
		}
	}
	l.filled[k.name] = err == nil && !some
	return from, to, some, err
}

// narrowSince returns the day from which on a kind's buckets have narrow rows, the end
// of time before there are any.
func (l *leader) narrowSince(ctx context.Context, k kind) (int64, error) {
	var since proto.ColInt64
	err := l.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT if(count() = 0, toInt64({never:Int64}), toInt64(toUnixTimestamp(min(since)))) AS since FROM narrow_since WHERE kind = {kind:String}",
		Params: map[string]any{"kind": k.name, "never": floor(math.MaxUint32, daySeconds)},
		Result: proto.Results{{Name: "since", Data: &since}},
	})
	if err != nil {
		return 0, fmt.Errorf("read how far back there are narrow rollups: %w", err)
	}
	return since.Row(0), nil
}

func (l *leader) setNarrowSince(ctx context.Context, k kind, since int64) error {
	err := l.client.Exec(ctx, "INSERT INTO narrow_since (tenant, kind, since) SELECT '', {kind:String}, toDateTime({since:Int64}, 'UTC')",
		map[string]any{"kind": k.name, "since": since})
	if err != nil {
		return fmt.Errorf("note how far back there are narrow rollups: %w", err)
	}
	return nil
}

// daysBefore returns the first of the days before since that make one step. some says
// that there are any.
func (l *leader) daysBefore(ctx context.Context, k kind, since int64) (from int64, some bool, err error) {
	var day, minutes proto.ColInt64
	total := int64(0)
	err = l.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT toInt64(toUnixTimestamp(toStartOfDay(bucket, 'UTC'))) AS day, toInt64(count()) AS minutes FROM bucket_versions
WHERE kind = {kind:String} AND level = 'minute' AND bucket < toDateTime({since:Int64}, 'UTC')
GROUP BY day ORDER BY day DESC LIMIT {days:Int64}`,
		Params: map[string]any{"kind": k.name, "since": since, "days": l.chunk},
		Result: proto.Results{{Name: "day", Data: &day}, {Name: "minutes", Data: &minutes}},
		OnResult: func(context.Context, proto.Block) error {
			for i, n := range minutes {
				if total += n; !some || total <= int64(l.chunk) {
					from, some = day[i], true
				}
			}
			return nil
		},
	})
	if err != nil {
		return 0, false, fmt.Errorf("look for days without narrow rollups: %w", err)
	}
	return from, some, nil
}

// minutesOf returns the minutes of days that are rolled up.
func (l *leader) minutesOf(ctx context.Context, k kind, from, to int64) ([]change, error) {
	var tenant proto.ColStr
	var minute proto.ColInt64
	var out []change
	err := l.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT DISTINCT tenant, toInt64(toUnixTimestamp(bucket)) AS minute FROM bucket_versions WHERE kind = {kind:String} AND level = 'minute' AND " + bucketsInSpan,
		Params: map[string]any{"kind": k.name, "from": from, "to": to},
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "minute", Data: &minute}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range minute {
				out = append(out, change{bucket: bucket{Text: tenant.Row(i), Number: minute[i]}})
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the minutes of days without narrow rollups: %w", err)
	}
	return out, nil
}
