package query

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// The breakdown is a recount of the cost records, and its parts sum to the whole
// whatever the limit.
func TestCostBreakdown(t *testing.T) {
	from := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	middle, to := from.Add(48*time.Hour), from.Add(96*time.Hour)
	s := querytest.New(t)
	events := sampleEvents(from, 96*time.Hour, 120, 11)
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, to.Add(time.Hour), Limits{})

	for i := range 16 {
		by, of, limit := costDimensions[i%4], []string{"dollars", "credits"}[i/4%2], []int{2, 1000}[i/8]
		p, users := admin, []string(nil)
		switch i % 3 {
		case 1:
			p, users = access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}, []string{"ann"}
		case 2:
			p, users = access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"cem", "bob"}}, []string{"bob", "cem"}
		}
		res, err := e.Do(t.Context(), p, Request{
			Kind: KindCostBreakdown, From: middle, To: to, Limit: limit, Params: map[string]string{"by": by, "of": of},
		})
		require.NoError(t, err)

		groups, total := map[string]*costPart{}, costPart{}
		for i := range events {
			c := &events[i]
			if c.Kind != event.KindCost || (users != nil && !slices.Contains(users, c.UserID)) {
				continue
			}
			amount := c.Dollars
			if of == "credits" {
				amount = c.Credits
			}
			one := costPart{previous: amount}
			if c.Time >= middle.UnixMilli() {
				one = costPart{dollars: c.Dollars, credits: c.Credits, amount: amount, records: 1}
			}
			key := dimensionValue(c, by, time.UnixMilli(c.Time))
			if groups[key] == nil {
				groups[key] = &costPart{group: key}
			}
			groups[key].add(one)
			total.add(one)
		}
		var want []costPart
		for _, g := range groups {
			if g.records > 0 {
				want = append(want, *g)
			}
		}
		slices.SortFunc(want, func(a, b costPart) int { return cmp.Or(b.amount.Cmp(a.amount), cmp.Compare(a.group, b.group)) })
		want = want[:min(limit, len(want))]
		rest := total
		for i := range want {
			want[i].rank = int64(i + 1)
			rest.sub(want[i])
		}
		if rest != (costPart{}) {
			rest.group = otherGroup
			want = append(want, rest)
		}
		require.Equal(t, len(want), res.Frame.Rows())
		var sum event.Decimal
		for i, w := range want {
			sum = sum.Add(w.amount)
			at := func(name string) any { return res.Frame.Fields[indexOf(res.Frame, name)].At(i) }
			require.Equal(t, w.rank, at("rank"))
			require.Equal(t, w.group, at("group"))
			require.Equal(t, w.records, at("records"))
			require.Equal(t, w.dollars.String(), res.Exact["dollars"][i])
			require.Equal(t, w.credits.String(), res.Exact["credits"][i])
			require.Equal(t, w.previous.String(), res.Exact["previous"][i])
			require.Equal(t, w.amount.Sub(w.previous).String(), res.Exact["change"][i])
			if total.amount.Sign() <= 0 {
				require.Nil(t, at("share"))
				continue
			}
			require.InDelta(t, w.amount.Float64()/total.amount.Float64(), *at("share").(*float64), 1e-12)
			require.InDelta(t, sum.Float64()/total.amount.Float64(), *at("cumulative_share").(*float64), 1e-12)
		}
		require.Equal(t, total.amount, sum)
	}

	_, err := e.Do(t.Context(), admin, Request{Kind: KindCostBreakdown, From: from, To: to, Params: map[string]string{"by": "step"}})
	require.ErrorContains(t, err, "params.by")
	_, err = e.Do(t.Context(), admin, Request{Kind: KindCostBreakdown, From: from, To: to, Limit: 1001})
	require.ErrorContains(t, err, "1 to 1000")
	res, err := e.Do(t.Context(), admin, Request{Kind: KindCostBreakdown, From: from.AddDate(1, 0, 0), To: to.AddDate(1, 0, 0)})
	require.NoError(t, err)
	require.Zero(t, res.Frame.Rows())
	require.Len(t, res.Frame.Fields, len(costBreakdownFields))
}
