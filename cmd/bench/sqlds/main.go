// Command sqlds answers statements the way Grafana's own datasource for ClickHouse does:
// by grafana/sqlds over database/sql and clickhouse-go. Flowgauge's datasource is measured
// beside it. It reads requests from standard input, a query of sqlds a line (rawSql, and format: 0 time series, 1 table), and answers each
// with the time that it took.
//
// It is a module of its own, so that what it stands on is not what Flowgauge stands on.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/data/sqlutil"
	"github.com/grafana/sqlds/v5"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sqlds:", err)
		os.Exit(1)
	}
}

// server is whom to ask. Its members come from the environment.
type server struct{ addr, database, user, password string }

func (s server) Connect(context.Context, backend.DataSourceInstanceSettings, json.RawMessage) (*sql.DB, error) {
	return clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{s.addr},
		Auth:        clickhouse.Auth{Database: s.database, Username: s.user, Password: s.password},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
	}), nil
}

func (s server) Settings(context.Context, backend.DataSourceInstanceSettings) sqlds.DriverSettings {
	return sqlds.DriverSettings{FillMode: &data.FillMissing{Mode: data.FillModeNull}, RowLimit: 1_000_000}
}

func (s server) Macros() sqlds.Macros { return sqlds.Macros{} }

// Converters are of the types that database/sql has no null for.
func (s server) Converters() []sqlutil.Converter {
	return []sqlutil.Converter{{
		Name: "nullable numbers", InputScanType: reflect.TypeFor[**float64](), InputTypeName: "Nullable(Float64)",
		FrameConverter: sqlutil.FrameConverter{
			FieldType:     data.FieldTypeNullableFloat64,
			ConverterFunc: func(in any) (any, error) { return *in.(**float64), nil },
		},
	}}
}

// An answer says how long a statement took, with its frames in Arrow.
type answer struct {
	Nanoseconds int64 `json:"ns"`
	Rows        int   `json:"rows"`
	Values      int   `json:"values"`
}

func run() error {
	ctx := context.Background()
	log.DefaultLogger = log.NewNullLogger()
	backend.Logger = log.DefaultLogger
	ds := sqlds.NewDatasource(server{os.Getenv("PEER_ADDR"), os.Getenv("PEER_DATABASE"), os.Getenv("PEER_USER"), os.Getenv("PEER_PASSWORD")})
	settings := backend.DataSourceInstanceSettings{UID: "peer", Name: "peer", Type: "peer", JSONData: []byte("{}")}
	instance, err := ds.NewDatasource(ctx, settings)
	if err != nil {
		return err
	}
	answering, ok := instance.(backend.QueryDataHandler)
	if !ok {
		return fmt.Errorf("a %T answers no queries", instance)
	}
	lines, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		began := time.Now()
		res, err := answering.QueryData(ctx, &backend.QueryDataRequest{
			PluginContext: backend.PluginContext{DataSourceInstanceSettings: &settings},
			Queries:       []backend.DataQuery{{RefID: "A", JSON: lines.Bytes(), MaxDataPoints: 1000}},
		})
		if err != nil {
			return err
		}
		var frames data.Frames
		for _, r := range res.Responses {
			if r.Error != nil {
				return r.Error
			}
			for _, f := range r.Frames {
				if _, err := f.MarshalArrow(); err != nil {
					return err
				}
				frames = append(frames, f)
			}
		}
		a := answer{Nanoseconds: time.Since(began).Nanoseconds()}
		for _, f := range frames {
			a.Rows += f.Rows()
			for _, field := range f.Fields {
				if !field.Type().Time() {
					a.Values += field.Len() - nils(field)
				}
			}
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func nils(f *data.Field) (n int) {
	for i := range f.Len() {
		if f.NilAt(i) {
			n++
		}
	}
	return n
}
