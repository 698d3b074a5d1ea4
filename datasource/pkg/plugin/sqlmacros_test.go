package plugin

import (
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"
)

var macroPanel = panel{
	from: time.UnixMilli(1_700_000_000_123).UTC(), to: time.UnixMilli(1_700_086_400_500).UTC(), interval: 90 * time.Second,
}

func TestMacros(t *testing.T) {
	const within = "(time >= fromUnixTimestamp64Milli(1700000000123) AND time < fromUnixTimestamp64Milli(1700086400500))"
	for text, want := range map[string]string{
		"SELECT 1":                                                 "SELECT 1",
		"WHERE $__timeFilter(time)":                                "WHERE " + within,
		"WHERE $__timeFilter_ms( time )":                           "WHERE " + within,
		"$__timeFilter(if(a, b, 'x,)'))":                           "(if(a, b, 'x,)') >= fromUnixTimestamp64Milli(1700000000123) AND if(a, b, 'x,)') < fromUnixTimestamp64Milli(1700086400500))",
		"$__dateFilter(day)":                                       "(day >= toDate('2023-11-14') AND day <= toDate('2023-11-15'))",
		"$__timeInterval(time)":                                    "toStartOfInterval(toDateTime(time), INTERVAL 90 SECOND)",
		"$__timeInterval_ms(time)":                                 "toStartOfInterval(toDateTime64(time, 3), INTERVAL 90000 MILLISECOND)",
		"toStartOfInterval(time, $__interval)":                     "toStartOfInterval(time, INTERVAL 90 SECOND)",
		"count() / $__interval_s":                                  "count() / 90",
		"$__interval_ms, $__from, $__to":                           "90000, 1700000000123, 1700086400500",
		"$__fromTime AND $__toTime_ms":                             "toDateTime(1700000000) AND fromUnixTimestamp64Milli(1700086400500)",
		"$__timeInterval(time + $__interval)":                      "toStartOfInterval(toDateTime(time + INTERVAL 90 SECOND), INTERVAL 90 SECOND)",
		"$__conditionalAll(a IN ('x'), 'x')":                       "(a IN ('x'))",
		"$__conditionalAll(a IN ('$__all'), '$__all') AND $__from": "1 AND 1700000000123",
		// What is no code stays as it is.
		"'$__interval it''s \\' $__from'": "'$__interval it''s \\' $__from'",
		"\"$__from\" `$__to`":             "\"$__from\" `$__to`",
		"1 -- $__from\n, $__from":         "1 -- $__from\n, 1700000000123",
		"1 /* $__from ) */ # $__to":       "1 /* $__from ) */ # $__to",
		"$tag$ $__from $tag$":             "$tag$ $__from $tag$",
		"'open $__from":                   "'open $__from",
		"ünïcode($__from)":                "ünïcode(1700000000123)",
		"$ 1":                             "$ 1",
	} {
		got, err := replaceMacros(text, macroPanel)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestWrongMacros(t *testing.T) {
	for text, want := range map[string]string{
		"$__timeFiler(time)":         "there is no such macro",
		"$__timeFilter":              "the macro has no parentheses",
		"$__timeFilter(time":         "the macro's parentheses are not closed",
		"$__timeFilter(a, b)":        "the macro takes 1 arguments",
		"$__timeFilter()":            "the macro takes 1 arguments",
		"$__conditionalAll(a)":       "the macro takes 2 arguments",
		"a = $workflow":              "names a variable that nothing has replaced",
		"a = ${workflow:csv}":        "names a variable that nothing has replaced",
		"a = '$workflow'":            "names a variable that nothing has replaced",
		"a IN ('$__all')":            "is set to “All”",
		"$__conditionalAll($b, 'c')": "names a variable that nothing has replaced",
	} {
		_, err := replaceMacros(text, macroPanel)
		require.ErrorContains(t, err, want, text)
	}
}

// Whatever is not a macro's is given on to the byte, and nothing makes it fail to end.
func FuzzMacros(f *testing.F) {
	for _, text := range []string{"SELECT $__timeFilter(time) '$x' -- $__from", "$__conditionalAll((a)[1], '$__all')", "$a$ ' $a$ ${", "`\\", "/*", "$__timeInterval($__timeInterval(x))"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := replaceMacros(text, macroPanel)
		n := 0
		for rest := text; rest != ""; {
			size, what := sqlToken(rest)
			require.Positive(t, size)
			if what == sqlVariable {
				n++
			}
			rest = rest[size:]
		}
		if n == 0 && err == nil {
			require.Equal(t, text, got)
		}
	})
}

func TestStatementWantsTextAndNoFilters(t *testing.T) {
	m := defaultModel(sqlKind)
	_, err := m.statement(backend.DataQuery{})
	require.ErrorContains(t, err, "there is no statement")
	m, err = parseModel([]byte(`{"queryType":"sql","expr":"SELECT 1","filters":[{"dimension":"workflow","operator":"in","values":["a"]}]}`))
	require.NoError(t, err)
	_, err = m.statement(backend.DataQuery{})
	require.ErrorContains(t, err, "ad-hoc filters do not reach it")
}
