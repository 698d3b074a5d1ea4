package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query"
)

func TestProblems(t *testing.T) {
	s := Settings{Host: "db", Username: "reader", Timeout: 7}
	s.fillDefaults()
	of := func(class clickhouse.Class) error {
		return fmt.Errorf("run: %w", &clickhouse.Error{Class: class, Err: errors.New("x")})
	}
	code := func(code proto.Error) error {
		return &clickhouse.Error{Err: &ch.Exception{Code: code, Message: "reader: Not enough privileges"}}
	}
	const mine, theirs = backend.ErrorSourcePlugin, backend.ErrorSourceDownstream
	for _, test := range []struct {
		err    error
		title  string
		status backend.Status
		source backend.ErrorSource
	}{
		{&query.RequestError{Param: "limit", Message: "too many"}, "limit: too many", 400, theirs},
		{&query.AccessError{Message: "not yours"}, "not yours", 403, theirs},
		{context.DeadlineExceeded, "longer than 7 seconds", 504, theirs},
		{fmt.Errorf("run: %w", context.Canceled), "cancelled", 499, theirs},
		{promql.ErrQueryTimeout("query execution"), "longer than 7 seconds. Take a shorter period, a longer step or fewer series", 504, theirs},
		{fmt.Errorf("busy: %w", promql.ErrQueryTimeout("query queue")), "longer than 7 seconds", 504, theirs},
		{promql.ErrQueryCanceled("query execution"), "cancelled", 499, theirs},
		{promql.ErrTooManySamples("query execution"), "more samples than may be held at once. Take a shorter period", 400, theirs},
		{of(clickhouse.ClassUnavailable), "connection to db:9000 was lost", 502, theirs},
		{of(clickhouse.ClassAuth), `does not accept the user "reader"`, 401, theirs},
		{of(clickhouse.ClassLimit), "more than the server allows", 400, theirs},
		{of(clickhouse.ClassOverloaded), "too much to do", 429, theirs},
		{of(clickhouse.ClassPermanent), "The plugin failed", 500, mine},
		{errors.New("surprise"), "surprise", 500, mine},
		{code(proto.ErrUnknownDatabase), `no database "flowgauge"`, 404, theirs},
		{code(proto.ErrUnknownTable), "does not have the tables", 404, theirs},
		{code(proto.ErrAccessDenied), "Not enough privileges", 403, theirs},
		{code(proto.ErrSyntaxError), "The plugin failed", 500, mine},
		{&clickhouse.Error{Class: clickhouse.ClassUnavailable, Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, `The host "db" is not known`, 502, theirs},
	} {
		p := (&Datasource{settings: s}).problemOf(test.err)
		require.Contains(t, p.message(), test.title)
		require.Equal(t, test.status, p.Status, test.title)
		require.Equal(t, test.source, p.Source, test.title)
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		namer  namer
		field  string
		labels data.Labels
		want   string
	}{
		{namer{metrics: 1}, "executions", nil, "Executions"},
		{namer{metrics: 1, compare: query.PreviousPeriod}, "executions_previous", nil, "Executions (previous period)"},
		{namer{metrics: 1, groupBy: []string{"workflow"}}, "executions", data.Labels{"workflow": "a"}, "a"},
		{namer{metrics: 1, groupBy: []string{"workflow"}}, "executions", data.Labels{"workflow": ""}, "(none)"},
		{namer{metrics: 2, groupBy: []string{"workflow", "user"}}, "success_rate", data.Labels{"user": "u", "workflow": "a"}, "a, u: Success rate"},
		{namer{alias: "{{ workflow }} / {{metric}} {{nope}}", metrics: 1}, "executions", data.Labels{"workflow": "a"}, "a / Executions {{nope}}"},
		{namer{alias: "x", metrics: 1, compare: query.PreviousYear}, "executions_previous", nil, "x (previous year)"},
	} {
		require.Equal(t, test.want, test.namer.series(test.field, test.labels))
	}
}

func TestNotices(t *testing.T) {
	now := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	tonight := now.Add(12 * time.Hour)
	for name, test := range map[string]struct {
		meta  query.Meta
		r     query.Request
		count int
	}{
		"an hour that runs":                      {query.Meta{PartialPeriod: true}, query.Request{Granularity: query.Hour, Compare: query.PreviousDay}, 0},
		"a day that runs":                        {query.Meta{PartialPeriod: true}, query.Request{Granularity: query.Day}, 0},
		"a day that runs beside a whole one":     {query.Meta{PartialPeriod: true}, query.Request{Granularity: query.Day, Compare: query.PreviousWeek}, 1},
		"a week that runs":                       {query.Meta{PartialPeriod: true}, query.Request{Granularity: query.Week}, 1},
		"today so far":                           {query.Meta{PartialPeriod: true, To: tonight}, query.Request{}, 0},
		"today so far beside yesterday":          {query.Meta{PartialPeriod: true, To: tonight}, query.Request{Compare: query.PreviousDay}, 1},
		"until now beside yesterday until then":  {query.Meta{PartialPeriod: true, To: now.Add(time.Second)}, query.Request{Compare: query.PreviousDay}, 0},
		"the top five, as asked":                 {query.Meta{Truncated: true}, query.Request{Limit: 5}, 0},
		"the engine's own":                       {query.Meta{Truncated: true, Notices: []string{"more groups exist"}}, query.Request{}, 1},
		"the latest minutes are not counted yet": {query.Meta{PendingBuckets: 59}, query.Request{}, 0},
		"many minutes are not counted yet":       {query.Meta{PendingBuckets: 60}, query.Request{}, 1},
	} {
		require.Len(t, notices(test.meta, test.r, now), test.count, name)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, thousands(n))
	}
}
