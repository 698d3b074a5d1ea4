package promql

import (
	"net/http"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
)

// fixed lets everybody in as one.
type fixed struct{ who access.Principal }

func (f fixed) Authenticate(*http.Request) (access.Principal, error) { return f.who, nil }

// vary puts values in the place of a template's variables, every combination.
func vary(template string, variables map[string][]string) []string {
	out := []string{template}
	for _, name := range []string{"C", "S", "A", "G", "R", "F", "W", "O", "B", "Q", "T"} {
		values, ok := variables[name]
		if !ok {
			continue
		}
		var next []string
		for _, text := range out {
			if !strings.Contains(text, "$"+name) {
				next = append(next, text)
				continue
			}
			for _, v := range values {
				next = append(next, strings.ReplaceAll(text, "$"+name, v))
			}
		}
		out = next
	}
	return out
}

// shapes are those of Prometheus' compliance tester, on Flowgauge's metrics:
// https://github.com/prometheus/compliance/blob/main/promql/promql-test-queries.yml.
func shapes() []string {
	const e = "flowgauge_executions_total"
	v := map[string][]string{
		"C": {e, "flowgauge_cost_dollars_charged_total", "flowgauge_user_actions_total", "flowgauge_executions_running"},
		"S": {
			e, e + `{workflow="wf-a"}`, e + `{workflow!="wf-a"}`, e + `{workflow=~"wf-.*"}`, e + `{workflow!~"wf-.*"}`, e + `{workflow=~"wf-a|wf-b",status="failed"}`,
			e + `{error_type=""}`, e + `{error_type!=""}`, e + `{version="1"}`, e + `{version!="1"}`, e + `{version="01"}`, e + `{version=~"[01]"}`, e + `{nolabel=""}`, e + `{nolabel="x"}`,
			e + `{workflow=~"it's.*"}`, e + `{workflow="it's \\ \"odd\""}`, e + `{status!~"c.*"}`, e + `{workflow=~".+",trigger_type=~"|cron"}`, "nothing_there",
			"flowgauge_steps_total", `flowgauge_steps_total{status=~"skipped|failed"}`, "flowgauge_step_input_bytes_total", "flowgauge_cost_credits_credited_total",
			"flowgauge_cost_records_total", "flowgauge_executions_started_total", "flowgauge_action_duration_seconds_total", "flowgauge_actions_total",
			"flowgauge_user_executions_total", `flowgauge_user_executions_total{user="ann"}`, `flowgauge_user_cost_dollars_charged_total{user=~"a.*|b.*"}`,
			`{__name__=~"flowgauge_cost_.*",workflow="wf-a"}`, `{__name__=~"flowgauge_execution_duration_seconds_(sum|count)"}`, `{__name__="flowgauge_actions_total",action!="login"}`,
			"flowgauge_executions_running", `flowgauge_executions_running{workflow=~"wf-[ab]"}`, "flowgauge_step_duration_seconds_sum", "flowgauge_execution_duration_seconds",
			`flowgauge_step_duration_seconds{step="s1"}`,
		},
		"A": {"sum", "avg", "max", "min", "count", "stddev", "stdvar", "group"},
		"G": {"", "by () ", "by (workflow) ", "by (workflow, status) ", "by (__name__) ", "without () ", "without (workflow) ", "without (status, version) ", "by (nolabel) ", "by (user, action_type) "},
		"R": {"rate", "increase", "irate", "idelta", "delta", "deriv", "changes", "resets"},
		"F": {"sum_over_time", "avg_over_time", "max_over_time", "min_over_time", "count_over_time", "stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time", "absent_over_time"},
		"W": {"90s", "5m", "17m", "1h"},
		"O": {"1m", "35m", "-20m"},
		"B": {"+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">=", "== bool", "> bool"},
		"Q": {"0", "0.25", "0.5", "0.95", "0.99", "1", "-0.1", "1.1"},
		"T": {"hour", "minute", "day_of_week", "day_of_month", "days_in_month", "month", "year", "day_of_year"},
	}
	var out []string
	for _, template := range []string{
		"$S", "$A $G($C)", "$R($C[$W])", "$F($C[$W])", "$A by (workflow) ($R(" + e + "[$W]))", "sum $G(rate(" + e + "[10m]))", "sum $G(increase(flowgauge_cost_dollars_charged_total[30m]))",
		"$C offset $O", "rate($C[10m] offset $O)", "sum by (workflow) ($C offset $O)", "sum(rate($C[10m] offset $O))",
		e + " $B 3", "3 $B " + e, "sum by (workflow) (" + e + ") $B on (workflow) sum by (workflow) (flowgauge_executions_started_total)",
		"sum by (workflow) (rate(" + e + `{status="failed"}[30m])) $B sum by (workflow) (rate(` + e + "[30m]))",
		"quantile($Q, " + e + ")", "quantile_over_time($Q, " + e + "[30m])", "histogram_quantile($Q, flowgauge_execution_duration_seconds)",
		"histogram_quantile($Q, sum by (workflow) (rate(flowgauge_execution_duration_seconds[1h])))", "histogram_fraction(0, $Q, sum(increase(flowgauge_step_duration_seconds[1h])))",
		"$T()", "$T(" + e + ")",
	} {
		out = append(out, vary(template, v)...)
	}
	return append(out,
		"1", "-1.5e3", "Inf", "NaN", "1 + 2 * 3 ^ 2", "time()", "-"+e, "vector(time())", "scalar(sum("+e+"))", "vector(1) + on () group_left "+e,
		"sum("+e+" and "+e+`{status="failed"})`, e+` or flowgauge_steps_total`, e+` unless `+e+`{status="failed"}`, e+` and on (workflow) flowgauge_cost_records_total`,
		e+` * on (workflow) group_left sum by (workflow) (flowgauge_cost_records_total)`, e+` / ignoring (status, error_type) group_left sum without (status, error_type) (`+e+`)`,
		"topk(3, flowgauge_step_duration_seconds_sum > 0)", "bottomk(2, flowgauge_step_duration_seconds_sum > 0)", "topk by (workflow) (1, flowgauge_step_duration_seconds_sum > 0)", `count_values("n", flowgauge_executions_running)`,
		"sort(sum by (workflow) ("+e+"))", "sort_desc(sum by (workflow) ("+e+"))", "abs(-"+e+")", "ceil("+e+" / 3)", "floor("+e+" / 3)", "round("+e+" / 7, 0.1)",
		"sqrt("+e+")", "exp("+e+" / 100)", "ln("+e+")", "log2("+e+")", "log10("+e+")", "sgn("+e+" - 5)", "clamp("+e+", 2, 9)", "clamp_min("+e+", 4)", "clamp_max("+e+", 4)",
		"absent("+e+")", `absent(nothing{a="b"})`, `absent_over_time(nothing[5m])`, `absent(flowgauge_executions_running{workflow="wf-c"})`, "timestamp("+e+")", "timestamp(flowgauge_executions_running)",
		`label_replace(`+e+`, "w", "$1", "workflow", "wf-(.*)")`, `label_join(`+e+`, "j", "-", "workflow", "status")`, `label_replace(sum by (workflow) (`+e+`), "workflow", "x", "", "")`,
		"predict_linear("+e+"[1h], 3600)", "deriv(sum("+e+")[30m:])",
		"max_over_time(sum("+e+")[1h:5m])", "rate(sum("+e+")[30m:1m])", "sum_over_time(rate("+e+"[5m])[20m:2m])", "max_over_time(rate("+e+"[5m])[1h:])",
		"avg_over_time(sum by (workflow) (rate("+e+"[5m]))[30m:5m] offset 10m)", "min_over_time(flowgauge_executions_running[1h:7m])", "quantile_over_time(0.9, sum(flowgauge_executions_running)[1h:1m])",
		e+" @ 1772424000", "rate("+e+"[1h] @ 1772424000)", "sum by (status) ("+e+" @ end())", e+" @ start()", "increase("+e+"[2h] @ end() offset 10m)", "sum(rate("+e+"[10m] @ 1772424000))",
		"sum("+e+" @ 1772424000) - sum("+e+" offset 1h)", "max_over_time("+e+"[1h:10m] @ end())",
		"histogram_count(flowgauge_execution_duration_seconds)", "histogram_sum(flowgauge_execution_duration_seconds)", "histogram_avg(rate(flowgauge_execution_duration_seconds[1h]))",
		"sum(flowgauge_execution_duration_seconds)", "avg(flowgauge_execution_duration_seconds)", "sum by (workflow) (rate(flowgauge_step_duration_seconds[20m]))", "increase(flowgauge_execution_duration_seconds[1h])",
		"histogram_stddev(flowgauge_execution_duration_seconds)", "histogram_stdvar(flowgauge_execution_duration_seconds)", "histogram_fraction(0.1, 60, flowgauge_execution_duration_seconds)",
		"histogram_quantile(0.9, sum(flowgauge_execution_duration_seconds - flowgauge_execution_duration_seconds offset 1h))", "flowgauge_execution_duration_seconds + flowgauge_execution_duration_seconds",
		"flowgauge_execution_duration_seconds * 2", "count(flowgauge_execution_duration_seconds)", "rate(flowgauge_execution_duration_seconds[7m])", "last_over_time(flowgauge_execution_duration_seconds[9m])",
		"sum_over_time(flowgauge_step_duration_seconds[5m])", "avg_over_time(flowgauge_step_duration_seconds[5m])", "irate(flowgauge_step_duration_seconds[5m])", "delta(flowgauge_step_duration_seconds[30m])",
		"resets(flowgauge_execution_duration_seconds[1h])", "changes(flowgauge_execution_duration_seconds[1h])", "present_over_time(flowgauge_execution_duration_seconds[1h])", "group(flowgauge_execution_duration_seconds)",
		`sum(rate(flowgauge_user_executions_total[1h])) by (user)`, `sum by (user) (increase(flowgauge_user_cost_dollars_charged_total[1h]))`, `count(count by (user) (flowgauge_user_actions_total))`,
		"sum("+e+") or vector(0)", "sum(flowgauge_executions_running) or vector(0)", "sum without (version) (flowgauge_executions_running)", "sum(-"+e+")", "sum(("+e+"))", "avg(sum by (workflow) ("+e+"))",
		"sum by (workflow) (sum by (workflow, status) ("+e+"))", "sum(flowgauge_cost_dollars_charged_total) - sum(flowgauge_cost_dollars_credited_total)", `sum({__name__=~"flowgauge_(steps|executions)_total"})`,
		`sum by (__name__, workflow) ({__name__=~"flowgauge_(steps|executions)_total"})`, "stddev by (workflow) (rate("+e+"[15m]))", "sum(max_over_time("+e+"[15m]))",
	)
}
