package metric

const (
	areaCosts       = "Costs"
	unitDollars     = "currencyUSD"
	perExecutionDoc = " All costs of the period count, also those of executions that have not ended; none when no execution ended."
)

var (
	costDims    = []string{Workflow, ActionType, User, Execution, HourOfDay, Weekday}
	perExecDims = []string{Workflow, User, Execution, HourOfDay, Weekday}
	fromCosts   = []Source{SourceCosts}
	costsByExec = []Source{SourceCosts, SourceExecutions}
)

var costs = []Metric{
	{
		Name: "credits", Title: "Credits", Unit: "short", Area: areaCosts, Additive: true, Exact: true,
		Description: "Credits of all cost records, what was credited taken off.",
		Formula:     "credits_charged - credits_credited",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "credits_charged", Title: "Credits charged", Unit: "short", Area: areaCosts, Additive: true, Exact: true,
		Description: "Credits of the records with a positive amount.",
		Formula:     "sum of credits where credits > 0",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "credits_credited", Title: "Credits credited", Unit: "short", Area: areaCosts, Additive: true, Exact: true,
		Description: "Credits given back: the records with a negative amount, as a positive figure.",
		Formula:     "sum of -credits where credits < 0",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "dollars", Title: "Cost", Unit: unitDollars, Area: areaCosts, Additive: true, Exact: true,
		Description: "Dollars of all cost records, what was credited taken off.",
		Formula:     "dollars_charged - dollars_credited",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "dollars_charged", Title: "Cost charged", Unit: unitDollars, Area: areaCosts, Additive: true, Exact: true,
		Description: "Dollars of the records with a positive amount.",
		Formula:     "sum of dollarAmount where dollarAmount > 0",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "dollars_credited", Title: "Cost credited", Unit: unitDollars, Area: areaCosts, Additive: true, Exact: true,
		Description: "Dollars given back: the records with a negative amount, as a positive figure.",
		Formula:     "sum of -dollarAmount where dollarAmount < 0",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "dollars_derived", Title: "Cost derived", Unit: unitDollars, Area: areaCosts, Additive: true, Exact: true,
		Description: "The part of the cost whose records came without dollars and were priced by the price book.",
		Formula:     "sum of dollars that the price book derived",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "cost_records", Title: "Cost records", Unit: "short", Area: areaCosts, Additive: true,
		Description: "How many cost records there are.",
		Formula:     "count of cost records",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "cost_records_credited", Title: "Credit records", Unit: "short", Area: areaCosts, Additive: true,
		Description: "How many cost records give something back: those with a negative amount of credits or dollars.",
		Formula:     "count of cost records where credits < 0 or dollarAmount < 0",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "cost_records_unpriced", Title: "Cost records without a price", Unit: "short", Area: areaCosts, Additive: true,
		Description: "How many cost records came without dollars and found no price in the price book. They count with 0 dollars.",
		Formula:     "count of cost records without dollarAmount that no rule prices",
		Dimensions:  costDims, Sources: fromCosts,
	},
	{
		Name: "dollars_per_execution", Title: "Cost per execution", Unit: unitDollars, Area: areaCosts,
		Description: "Dollars for each ended execution of the same period and group." + perExecutionDoc,
		Formula:     "dollars / executions",
		Dimensions:  perExecDims, Sources: costsByExec,
	},
	{
		Name: "credits_per_execution", Title: "Credits per execution", Unit: "short", Area: areaCosts,
		Description: "Credits for each ended execution of the same period and group." + perExecutionDoc,
		Formula:     "credits / executions",
		Dimensions:  perExecDims, Sources: costsByExec,
	},
}
