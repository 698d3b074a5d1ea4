package history

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// columns lists the columns that a raw table stores.
func columns(ctx context.Context, client *clickhouse.Client, table string) (string, error) {
	var name proto.ColStr
	var names []string
	err := client.Do(ctx, clickhouse.Query{
		SQL: `SELECT name FROM system.columns
WHERE database = {database:String} AND table = {table:String} AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') ORDER BY position`,
		Params: map[string]any{"database": client.Database(), "table": table},
		Result: proto.Results{{Name: "name", Data: &name}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range name.Rows() {
				names = append(names, name.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return "", fmt.Errorf("read the columns of %s: %w", table, err)
	}
	return strings.Join(names, ", "), nil
}

// viewOf names the view that fills a history. The name has a digest of the columns:
// when a raw table gets another one, the new view is there before the old one goes.
// What both have written is there twice, which changes no answer.
func viewOf(table, columns string) string {
	sum := sha256.Sum256([]byte(columns))
	return table + Versions + "_mv_" + hex.EncodeToString(sum[:4])
}

// views makes the views that are missing, and drops those that are out of date.
func (k *Keeper) views(ctx context.Context) error {
	there, err := k.existing(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, table := range Tables {
		list, err := columns(ctx, k.client, table)
		if err != nil {
			return err
		}
		name := viewOf(table, list)
		wanted[name] = true
		// Also where it is there: of the nodes of a cluster some may lack it.
		text := fmt.Sprintf("CREATE MATERIALIZED VIEW IF NOT EXISTS {{view %q}} TO {{local %q}} AS SELECT %s FROM {{local %q}}", name, table+Versions, list, table)
		if err := schema.Define(ctx, k.client, text); err != nil {
			return fmt.Errorf("keep the history of %s: %w", table, err)
		}
	}
	return k.drop(ctx, slices.DeleteFunc(there, func(name string) bool { return wanted[name] }))
}

func (k *Keeper) drop(ctx context.Context, views []string) error {
	for _, name := range views {
		if err := schema.Define(ctx, k.client, fmt.Sprintf("DROP VIEW IF EXISTS {{view %q}}", name)); err != nil {
			return fmt.Errorf("drop view %s: %w", name, err)
		}
	}
	return nil
}

// existing lists the views that fill histories.
func (k *Keeper) existing(ctx context.Context) ([]string, error) {
	var name proto.ColStr
	var names []string
	err := k.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT name FROM system.tables WHERE database = {database:String} AND engine = 'MaterializedView' AND position(name, {part:String}) > 0",
		Params: map[string]any{"database": k.client.Database(), "part": Versions + "_mv_"},
		Result: proto.Results{{Name: "name", Data: &name}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range name.Rows() {
				names = append(names, name.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("list the views of the history: %w", err)
	}
	return names, nil
}

// empty removes all rows of the histories and baselines.
func (k *Keeper) empty(ctx context.Context) error {
	for _, table := range Tables {
		for _, suffix := range []string{Versions, Baseline} {
			if err := schema.Define(ctx, k.client, fmt.Sprintf("TRUNCATE TABLE {{table %q}}", table+suffix)); err != nil {
				return fmt.Errorf("empty %s: %w", table+suffix, err)
			}
		}
	}
	return nil
}
