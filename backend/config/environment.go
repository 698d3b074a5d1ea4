package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// keyOf returns the setting that a variable of the environment is for.
func keyOf(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, envPrefix), "__", "."))
}

// variableOf returns the variable that a setting comes from.
func variableOf(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// others are variables with our prefix that are no settings.
var others = map[string]bool{
	"FLOWGAUGE_API_KEY": true, "FLOWGAUGE_DASHBOARDS": true, "FLOWGAUGE_SCREENSHOTS": true,
	"FLOWGAUGE_ALERT_EMAIL": true, "FLOWGAUGE_ALERT_SLACK_URL": true, "FLOWGAUGE_ALERT_WEBHOOK_URL": true,
	"FLOWGAUGE_SQL_USER": true, "FLOWGAUGE_SQL_PASSWORD": true,
}

// grafanas are those of provisioning/, of which the host is always there. Without
// it they are settings with an underscore too few.
var grafanas = []string{"HOST", "PORT", "USER", "PASSWORD", "DATABASE", "SECURE"}

// unknown returns a warning for each variable with our prefix that is no setting.
// It never says what a variable holds.
func unknown(environment []string, known map[string]bool) (warnings []string) {
	provisioned := slices.ContainsFunc(environment, func(v string) bool { return strings.HasPrefix(v, envPrefix+"CLICKHOUSE_HOST=") })
	for _, pair := range environment {
		name, _, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ours || known[keyOf(name)] || others[name] || strings.HasPrefix(rest, "TEST_") || strings.Contains(rest, "_TEST_") {
			continue
		}
		if field, ok := strings.CutPrefix(rest, "CLICKHOUSE_"); ok && provisioned && slices.Contains(grafanas, field) {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("the environment variable %s is no setting and is ignored: did you mean %s?", name, nearest(name, known)))
	}
	slices.Sort(warnings)
	return warnings
}

// nearest returns the variable of a setting that is spelt most like name.
func nearest(name string, known map[string]bool) string {
	best := slices.MinFunc(sortedKeys(known), func(a, b string) int {
		return cmp.Compare(distance(name, variableOf(a)), distance(name, variableOf(b)))
	})
	return variableOf(best)
}

// distance is Levenshtein's: how many letters to put in, take out or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
