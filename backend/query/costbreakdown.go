package query

import (
	"context"
	"slices"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindCostBreakdown is what costs are made of.
const KindCostBreakdown Kind = "cost_breakdown"

const (
	defaultCostGroups = 100
	maxCostGroups     = 1000
	// otherGroup is the row of all groups that a limit leaves out. An id may say the
	// same, hence the field rank, which is 0 for this row alone.
	otherGroup = "other"
	// groupField is the field of what a parameter divides by.
	groupField = "group"
)

var costDimensions = []string{metric.Workflow, metric.User, metric.ActionType, metric.Execution}

var costBreakdownParams = []ParamInfo{
	{Name: "by", Description: "What the parts are.", Default: metric.ActionType, Allowed: costDimensions, Example: metric.Workflow},
	{Name: "of", Description: "What is divided and decides the order.", Default: "dollars", Allowed: []string{"dollars", "credits"}, Example: "credits"},
}

var costBreakdownFields = []FieldInfo{
	{"rank", "short", "1 is the largest part; 0 is all parts beyond the limit."},
	{groupField, "", "The workflow, user, action type or execution; empty is the records without one."},
	{"dollars", "currencyUSD", "Dollars of the part, what was credited taken off."},
	{"credits", "short", "Credits of the part, what was credited taken off."},
	{"records", "short", "Cost records of the part."},
	{"share", "percentunit", "Its share of the period's total."},
	{"cumulative_share", "percentunit", "Share of this part and all larger ones."},
	{"previous", "", "The same amount in the period to compare with."},
	{"change", "", "How much more it is than in that period; negative is less."},
	{"change_ratio", "percentunit", "The change as a share of the previous amount; none where that is not above zero."},
}

var costBreakdownShape = shape{
	KindInfo: KindInfo{
		Kind: KindCostBreakdown, Title: "Cost breakdown",
		Description: "What costs are made of, the largest part first, beside the period before or that of compare. The parts sum to the whole: what limit (100 by default, 1000 at most) leaves out is the last row, of rank 0. Shares are of what the period cost in total, credits taken off; none where that is not above zero.",
		Uses:        []string{"filters", "limit", "compare", "asOf"},
		Params:      costBreakdownParams,
		Fields:      costBreakdownFields,
	},
	answer: (*Engine).costBreakdown,
	groups: func(r *Request) []string { return []string{paramOf(costBreakdownParams, r, "by")} },
}

func (e *Engine) costBreakdown(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := r.Limit
	if limit == 0 {
		limit = defaultCostGroups
	}
	if limit < 0 || limit > maxCostGroups {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxCostGroups), "20")
	}
	by, of := paramOf(costBreakdownParams, &r, "by"), paramOf(costBreakdownParams, &r, "of")
	ask := r
	ask.Metrics, ask.Limit, ask.Params = []string{"dollars", "credits", "cost_records"}, 0, nil
	ask.OrderBy, ask.Descending = of, true
	if ask.Compare == NoCompare {
		ask.Compare = PreviousPeriod
	}
	whole, err := e.figures(ctx, p, ask)
	if err != nil {
		return nil, err
	}
	ask.GroupBy, ask.Limit = []string{by}, limit
	top, err := e.figures(ctx, p, ask)
	if err != nil {
		return nil, err
	}
	total := costPart{}
	for _, part := range costParts(whole, "", of) {
		total.add(part)
	}
	parts, rest := costParts(top, by, of), total
	for i, part := range parts {
		parts[i].rank = int64(i + 1)
		rest.sub(part)
	}
	if !top.Meta.Truncated {
		// All groups of the period are there; what else the total has was stored
		// between the two statements. Groups of the other period alone remain.
		total.sub(rest)
		rest = costPart{previous: rest.previous}
	}
	if rest != (costPart{}) {
		rest.group = otherGroup
		parts = append(parts, rest)
	}
	res := costFrame(parts, total.amount, of)
	res.Meta = top.Meta
	res.Meta.RowsRead += whole.Meta.RowsRead
	res.Meta.SQL = append(slices.Clone(whole.Meta.SQL), top.Meta.SQL...)
	return res, nil
}
