package export

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// store keeps in the database how far exports have come.
type store struct{ client *clickhouse.Client }

func moments() *proto.ColDateTime64 {
	return new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
}

// until says up to when an export is delivered; known is false before it began.
func (s store) until(ctx context.Context, tenant, name string) (until time.Time, known bool, err error) {
	at := moments()
	err = s.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT until FROM exports WHERE tenant = {tenant:String} AND name = {name:String} ORDER BY until DESC LIMIT 1",
		Params: map[string]any{"tenant": tenant, "name": name},
		Result: proto.Results{{Name: "until", Data: at}},
		OnResult: func(context.Context, proto.Block) error {
			if at.Rows() > 0 {
				until, known = at.Row(0).UTC(), true
			}
			return nil
		},
	})
	if err != nil {
		return until, false, fmt.Errorf("read how far it has come: %w", err)
	}
	return until, known, nil
}

// put stores that an export is delivered up to a moment.
func (s store) put(ctx context.Context, tenant, name string, until time.Time) error {
	err := s.client.Exec(ctx, `INSERT INTO exports (tenant, name, until) SELECT {tenant:String}, {name:String}, fromUnixTimestamp64Milli({until:Int64}, 'UTC')`,
		map[string]any{"tenant": tenant, "name": name, "until": until.UnixMilli()})
	if err != nil {
		return fmt.Errorf("store how far it has come: %w", err)
	}
	return nil
}
