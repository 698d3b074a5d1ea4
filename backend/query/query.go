// Package query answers questions about the stored events. It is the only
// author of analytic SQL: a Request is checked against the catalogue, planned
// (which level of rollups, which raw edges), rendered to SQL with bound values
// and the caller's scope, run, and turned into a Result. REST, PromQL, the
// Grafana plugin, alerts and reports all speak Request and Result.
package query

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// Request asks about a period. Which members it may have depends on its kind; see
// Kinds. Most ask for metrics.
type Request struct {
	Kind        Kind        `json:"kind,omitempty"`
	Metrics     []string    `json:"metrics,omitempty"`
	From        time.Time   `json:"from"` // inclusive
	To          time.Time   `json:"to"`   // exclusive
	Granularity Granularity `json:"granularity,omitempty"`
	TimeZone    string      `json:"timeZone,omitempty"` // IANA name, UTC by default
	GroupBy     []string    `json:"groupBy,omitempty"`
	Filters     []Filter    `json:"filters,omitempty"`
	// OrderBy is a metric of the request. It decides which groups a Limit keeps,
	// and the order of the rows when there is no granularity. Without it, a
	// limit goes by the first metric, and rows without one by their dimensions.
	// With a granularity rows are always in order of time, then dimensions.
	OrderBy string `json:"orderBy,omitempty"`
	// Descending puts the largest first. With a Limit that is the default, and
	// Ascending asks for the opposite: the N smallest. Groups in which the
	// metric has no value come last either way, ties go by dimensions.
	Descending bool    `json:"descending,omitempty"`
	Ascending  bool    `json:"ascending,omitempty"`
	Limit      int     `json:"limit,omitempty"`   // top N groups over the whole period, 0 is the server's maximum
	Compare    Compare `json:"compare,omitempty"` // a second period beside the first

	// AsOf answers from the data as it stood at that moment: from what had been received
	// before it. Zero is now.
	AsOf time.Time `json:"asOf,omitzero"`

	// Fill gives the buckets that have no data rows of their own.
	Fill Fill `json:"fill,omitempty"`

	Params map[string]string `json:"params,omitempty"` // of kinds that take some

	teams []string // those that filters leave of an answer by team; nil is all
}

// Granularity is the width of a time bucket in the request's time zone; empty
// means one value for the whole period. Weeks start on Monday.
type Granularity string

// The granularities.
const (
	Whole   Granularity = ""
	Minute  Granularity = "minute"
	Quarter Granularity = "15m"
	Hour    Granularity = "hour"
	Day     Granularity = "day"
	Week    Granularity = "week"
	Month   Granularity = "month"
)

// Filter keeps the rows whose dimension matches.
type Filter struct {
	Dimension string   `json:"dimension"`
	Operator  Operator `json:"operator"`
	Values    []string `json:"values"`
}

// Operator compares a dimension with values.
type Operator string

// The operators. in and not_in take one value or more.
const (
	In    Operator = "in"
	NotIn Operator = "not_in"
)

// Compare names a second period.
type Compare string

// The comparison periods.
const (
	NoCompare      Compare = ""
	PreviousPeriod Compare = "previous_period" // the period of the same length just before
	PreviousDay    Compare = "previous_day"
	PreviousWeek   Compare = "previous_week"
	PreviousMonth  Compare = "previous_month" // calendar month, in the request's time zone
	PreviousYear   Compare = "previous_year"
)

// Result answers a Request.
type Result struct {
	// Frame of a question about metrics is in long form: field "time" (when a granularity was asked for),
	// one string field per dimension of GroupBy, one nullable float64 field per
	// metric in the order of the request, then, when a comparison was asked
	// for, "<metric>_previous" fields. Buckets without data are absent. The other
	// kinds say in Kinds what their fields are.
	Frame *data.Frame
	// Exact has, for each metric that is an exact amount, the decimal strings
	// of its field's rows.
	Exact map[string][]string
	Meta  Meta

	encodings *encodings // of an answer that is shared
}

// Meta says how the answer came about.
type Meta struct {
	From           time.Time   `json:"from"`
	To             time.Time   `json:"to"`
	TimeZone       string      `json:"timeZone"`
	Granularity    Granularity `json:"granularity,omitempty"`
	Sources        []string    `json:"sources"`        // levels read, e.g. day, minute, raw
	PendingBuckets uint64      `json:"pendingBuckets"` // minutes in the period that are stored but not rolled up yet
	StaleBuckets   uint64      `json:"-"`              // those of them whose figures are from before they changed
	PartialPeriod  bool        `json:"partialPeriod"`  // the period, or its last bucket, is still running
	// PartialFrom is where what is not over yet begins: the start of the bucket that is
	// running, without a granularity the period's. Zero when all of it is over.
	PartialFrom time.Time      `json:"partialFrom,omitzero"`
	Truncated   bool           `json:"truncated"` // more groups exist than were returned
	Notices     []string       `json:"notices,omitempty"`
	AsOf        time.Time      `json:"asOf,omitzero"` // the moment that the data was read as of
	RowsRead    uint64         `json:"rowsRead"`
	Sample      *Sample        `json:"sample,omitempty"`
	Forecast    *ForecastMeta  `json:"forecast,omitempty"`
	Anomalies   *AnomaliesMeta `json:"anomalies,omitempty"`
	Budget      any            `json:"budget,omitempty"` // of a single budget; see BudgetState.More
	Elapsed     time.Duration  `json:"-"`
	SQL         []string       `json:"-"` // executed statements, for the query inspector
}

// Sample says how many executions an answer looked at one by one, and of how many.
type Sample struct {
	Executions int `json:"executions"`
	Of         int `json:"of"`
}
