// Package metric is the catalogue: every metric and dimension that can be asked
// for, with its meaning, formula and unit. Editors, documentation, dashboards'
// tests and the query planner read it; nothing is a metric that is not in it.
//
// Names are stable: dashboards, alerts and PromQL are written against them. A
// metric that changes its meaning gets a new name.
package metric

import "slices"

// Source is a body of data that one statement reads. Metrics of several sources
// in one request are read apart and joined on time and dimensions.
type Source string

// The sources.
const (
	SourceExecutions Source = "executions" // rollup_executions and executions
	SourceRunning    Source = "running"    // execution_spans
	SourceSteps      Source = "steps"      // rollup_steps and steps
	SourceCosts      Source = "costs"      // rollup_costs and costs
	SourceActivity   Source = "activity"   // rollup_activity and activity
	SourceSessions   Source = "sessions"   // activity, read as sessions
	SourceRolling    Source = "rolling"    // rollup_activity and activity, over the days before as well
	SourceIngest     Source = "ingest"     // ingest_log
	SourcePending    Source = "pending"    // bucket_marks against bucket_versions
	SourceVisible    Source = "visible"    // the rows of all raw tables that stand, by receipt
	SourceConflicts  Source = "conflicts"  // executions_by_id

	SourceDeadLetters Source = "dead_letters"
)

// Metric is one figure that can be asked for.
type Metric struct {
	Name        string   `json:"name"`  // snake_case, stable
	Title       string   `json:"title"` // as a person reads it
	Description string   `json:"description"`
	Formula     string   `json:"formula"`
	Unit        string   `json:"unit"`     // Grafana's unit id: short, ms, percentunit, currencyUSD, bytes
	Area        string   `json:"area"`     // Executions, Steps, Costs, Activity, Collector
	Exact       bool     `json:"exact"`    // a decimal amount, also given as a string
	Additive    bool     `json:"additive"` // the parts of a period, and the groups of a dimension, sum to the whole
	Gauge       bool     `json:"gauge"`    // a state at a moment, not a sum over a period
	AdminOnly   bool     `json:"adminOnly"`
	Dimensions  []string `json:"dimensions"`
	Sources     []Source `json:"-"`
}

// withMetadata are the sources whose events carry metadata.
var withMetadata = []Source{SourceExecutions, SourceCosts, SourceActivity}

// HasDimension reports whether the metric can be grouped and filtered by it.
func (m *Metric) HasDimension(name string) bool {
	if _, ok := MetadataKey(name); ok {
		return !slices.ContainsFunc(m.Sources, func(s Source) bool { return !slices.Contains(withMetadata, s) })
	}
	return slices.Contains(m.Dimensions, name)
}

// Dimension is something to group and filter by. Its values are strings.
type Dimension struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Catalogue is everything that can be asked for, in the order in which it is
// shown. It marshals to what the REST API and the editors read.
type Catalogue struct {
	Metrics    []Metric    `json:"metrics"`
	Dimensions []Dimension `json:"dimensions"`
}

var (
	all    = build()
	byName = index(all.Metrics, func(m *Metric) string { return m.Name })
	byDim  = index(all.Dimensions, func(d *Dimension) string { return d.Name })
)

func build() Catalogue {
	var metrics []Metric
	for _, area := range [][]Metric{executions, steps, costs, activity, collector} {
		metrics = append(metrics, area...)
	}
	for i := range metrics {
		metrics[i].Dimensions = withTeam(metrics[i].Dimensions)
	}
	return Catalogue{Metrics: metrics, Dimensions: dimensions}
}

// withTeam adds the team to what has a user: it is looked up by the user's id.
func withTeam(dimensions []string) []string {
	at := slices.Index(dimensions, User)
	if at < 0 {
		return dimensions
	}
	return slices.Insert(slices.Clone(dimensions), at+1, Team)
}

func index[T any](list []T, name func(*T) string) map[string]*T {
	m := make(map[string]*T, len(list))
	for i := range list {
		m[name(&list[i])] = &list[i]
	}
	return m
}

// All returns the catalogue. It is shared: read it only.
func All() Catalogue { return all }

// Lookup returns the metric of that name. It is shared: read it only.
func Lookup(name string) (*Metric, bool) {
	m, ok := byName[name]
	return m, ok
}

// LookupDimension returns the dimension of that name. It is shared: read it only.
func LookupDimension(name string) (*Dimension, bool) {
	if key, ok := MetadataKey(name); ok {
		return &Dimension{name, key, "The member " + key + " of the events' metadata; empty where there is none."}, true
	}
	d, ok := byDim[name]
	return d, ok
}

// Names returns the names of all metrics, in the catalogue's order.
func Names() []string {
	names := make([]string, len(all.Metrics))
	for i := range all.Metrics {
		names[i] = all.Metrics[i].Name
	}
	return names
}

// DimensionNames returns the names of all dimensions, in the catalogue's order.
func DimensionNames() []string {
	names := make([]string, len(all.Dimensions))
	for i := range all.Dimensions {
		names[i] = all.Dimensions[i].Name
	}
	return names
}
