// Package promql answers PromQL: Prometheus' own engine over Flowgauge's figures, by
// the HTTP interface of a Prometheus server.
//
//	HTTP ── API ── promql.Engine ── querier ── query.Engine.Totals ── ClickHouse
//	         │                        │ choose: matchers to filters
//	    limits, errors                │ moments: which minutes the engine can see
//	                                  └ series: totals that change at few moments
//
// # What a sample is
//
// A counter is the sum of everything from the horizon's first moment (the UTC day of a
// tenant's first event) to the end of a minute, over one snapshot. It has a sample at
// the end of each minute, 0 before the first event, none after the last whole minute.
// So nothing resets, and every series has samples at the same times. A late event
// changes the past, for a whole query at once. Families with the label user, and all
// counters as somebody sees them who may see certain users only, grow at the ends of
// quarters of an hour, and have a sample each minute nevertheless.
//
// The gauge has a sample at each minute at which something runs, and a staleness marker
// where it ceases to.
//
// # What is not made
//
// Only samples that the engine can see are made, see moments. The tests hold this, and
// all else, against a time-series database of Prometheus that has every sample.
//
// # What the database adds up
//
// In sum by (a) (metric), and without, the database adds up what the sum does away
// with: a series for each group leaves ClickHouse. It is the same because
//
//   - the totals of a sum are the sum of the totals, exactly for counts, and to the
//     last bit of a float64 for amounts;
//   - all series of a counter have samples at all moments, so that none is missing from
//     a sum at one time and there at another;
//   - a group of the gauge has a sample where one of its series has one, which is where
//     the sum is not 0;
//   - histograms add up by buckets, and all have one schema.
//
// In sum by (a) (rate(metric[5m])), and with increase, it is the same but for series
// that rise in a window by more than they were at its beginning, because rate does not
// extrapolate a series below 0. Those that may do so stay series of their own; see
// summed. It is not done where the sum's operand is anything else: then the samples of
// single series matter.
//
// Of a window that rate or increase looks at, ClickHouse is asked for the first and the
// last sample: a counter without resets tells no more. Where a window's minutes are all
// there the engine gets no others either, see rises.
package promql
