package promql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// lookup is a question about series.
type lookup struct {
	querier storage.Querier
	sets    [][]*labels.Matcher
	limit   int
	start   time.Time
	end     time.Time
}

// look reads the parameters that questions about series have in common.
func (a *API) look(c *gin.Context) (l lookup, err error) {
	r := c.Request
	if err := r.ParseForm(); err != nil {
		return l, fmt.Errorf("error parsing form values: %w", err)
	}
	if l.limit, err = parseLimit(r); err != nil {
		return l, err
	}
	if l.start, err = parseTime(r, "start", earliest); err != nil {
		return l, err
	}
	if l.end, err = parseTime(r, "end", latest); err != nil {
		return l, err
	}
	if l.sets, err = a.parseMatchers(r); err != nil {
		return l, err
	}
	l.querier, err = a.queryable(principal(c), nil, lookback).Querier(l.start.UnixMilli(), l.end.UnixMilli())
	return l, err
}

// series answers with the label sets that match.
func (a *API) series(c *gin.Context) {
	l, err := a.look(c)
	if err == nil && len(l.sets) == 0 {
		err = errors.New("no match[] parameter provided")
	}
	if err != nil {
		a.badData(c, err)
		return
	}
	out, warnings, err := a.seriesOf(c, l)
	if why := a.record(c, kindSeries, l.start, l.end, len(out), err); why != nil {
		a.refuse(c, why, nil)
		return
	}
	if err != nil {
		a.refuse(c, err, warnings)
		return
	}
	if l.limit > 0 && len(out) > l.limit {
		out, warnings = out[:l.limit], warnings.Add(errTruncated)
	}
	a.succeed(c, out, warnings)
}

// seriesOf reads label sets in a query's turn.
func (a *API) seriesOf(c *gin.Context, l lookup) ([]map[string]string, annotations.Annotations, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.limits.Timeout)
	defer cancel()
	if err := a.enter(c.Request.Context()); err != nil {
		return nil, nil, err
	}
	defer a.leave()
	hints := &storage.SelectHints{Start: l.start.UnixMilli(), End: l.end.UnixMilli(), Func: seriesFunc}
	sets := make([]storage.SeriesSet, len(l.sets))
	for i, matchers := range l.sets {
		sets[i] = l.querier.Select(ctx, true, hints, matchers...)
	}
	set := storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
	out := []map[string]string{}
	for set.Next() {
		out = append(out, set.At().Labels().Map())
	}
	return out, set.Warnings(), set.Err()
}

func (a *API) labelNames(c *gin.Context) {
	a.names(c, storage.Querier.LabelNames)
}

func (a *API) labelValues(c *gin.Context) {
	name := c.Param("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		a.fail(c, http.StatusBadRequest, typeBadData, fmt.Errorf("invalid label name: %q", name), nil)
		return
	}
	a.names(c, func(q storage.Querier, ctx context.Context, h *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, h, m...)
	})
}

// askNames asks a querier for names or values of labels.
type askNames func(storage.Querier, context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error)

// names answers with names or values of labels, the union over the matchers' sets.
func (a *API) names(c *gin.Context, ask askNames) {
	l, err := a.look(c)
	if err != nil {
		a.badData(c, err)
		return
	}
	out, warnings, err := a.namesOf(c, l, ask)
	if why := a.record(c, kindLabels, l.start, l.end, len(out), err); why != nil {
		a.refuse(c, why, nil)
		return
	}
	if err != nil {
		a.refuse(c, err, warnings)
		return
	}
	if l.limit > 0 && len(out) > l.limit {
		out = out[:l.limit]
		warnings.Add(errTruncated)
	}
	a.succeed(c, out, warnings)
}

// namesOf reads names or values of labels in a query's turn.
func (a *API) namesOf(c *gin.Context, l lookup, ask askNames) ([]string, annotations.Annotations, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.limits.Timeout)
	defer cancel()
	if err := a.enter(c.Request.Context()); err != nil {
		return nil, nil, err
	}
	defer a.leave()
	if len(l.sets) == 0 {
		l.sets = [][]*labels.Matcher{nil}
	}
	found := map[string]bool{}
	warnings := annotations.Annotations{}
	for _, matchers := range l.sets {
		list, more, err := ask(l.querier, ctx, &storage.LabelHints{}, matchers...)
		if err != nil {
			return nil, warnings, err
		}
		warnings.Merge(more)
		for _, v := range list {
			found[v] = true
		}
	}
	out := slices.AppendSeq([]string{}, maps.Keys(found))
	slices.Sort(out)
	return out, warnings, nil
}
