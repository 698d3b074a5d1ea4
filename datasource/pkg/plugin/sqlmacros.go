package plugin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/query"
)

// A Macro stands for a part of a statement that depends on the panel. The names are
// those of Grafana's own datasource for ClickHouse where they mean the same.
type Macro struct {
	Name        string `json:"name"`
	Args        string `json:"args"` // empty is a macro without parentheses
	Description string `json:"description"`

	text func(args []string, p panel) string
}

// panel is what macros depend on.
type panel struct {
	from, to time.Time
	interval time.Duration
}

var macros = []Macro{
	{"$__timeFilter", "column", "The column's times are within the panel's period.", func(a []string, p panel) string { return between(a[0], p) }},
	{"$__timeFilter_ms", "column", "The same; the period is exact to the millisecond in both.", func(a []string, p panel) string { return between(a[0], p) }},
	{"$__dateFilter", "column", "The column's days are within the panel's period.", func(a []string, p panel) string {
		return fmt.Sprintf("(%s >= %s AND %s <= %s)", a[0], date(p.from), a[0], date(p.to))
	}},
	{"$__timeInterval", "column", "Where the interval begins that a time is in: to group by.", func(a []string, p panel) string {
		return fmt.Sprintf("toStartOfInterval(toDateTime(%s), INTERVAL %d SECOND)", a[0], wholeSeconds(p.interval))
	}},
	{"$__timeInterval_ms", "column", "The same for intervals below a second.", func(a []string, p panel) string {
		return fmt.Sprintf("toStartOfInterval(toDateTime64(%s, 3), INTERVAL %d MILLISECOND)", a[0], max(p.interval.Milliseconds(), 1))
	}},
	{"$__interval", "", "The panel's interval: INTERVAL 60 SECOND.", func(_ []string, p panel) string { return fmt.Sprintf("INTERVAL %d SECOND", wholeSeconds(p.interval)) }},
	{"$__interval_s", "", "The panel's interval in seconds.", func(_ []string, p panel) string { return strconv.FormatInt(wholeSeconds(p.interval), 10) }},
	{"$__interval_ms", "", "The panel's interval in milliseconds.", func(_ []string, p panel) string { return strconv.FormatInt(max(p.interval.Milliseconds(), 1), 10) }},
	{"$__fromTime", "", "The period's begin, as DateTime.", func(_ []string, p panel) string { return dateTime(p.from) }},
	{"$__toTime", "", "The period's end, as DateTime.", func(_ []string, p panel) string { return dateTime(p.to) }},
	{"$__fromTime_ms", "", "The period's begin, as DateTime64(3).", func(_ []string, p panel) string { return dateTime64(p.from) }},
	{"$__toTime_ms", "", "The period's end, as DateTime64(3).", func(_ []string, p panel) string { return dateTime64(p.to) }},
	{"$__from", "", "The period's begin, in milliseconds since 1970.", func(_ []string, p panel) string { return strconv.FormatInt(p.from.UnixMilli(), 10) }},
	{"$__to", "", "The period's end, in milliseconds since 1970.", func(_ []string, p panel) string { return strconv.FormatInt(p.to.UnixMilli(), 10) }},
	{conditionalAll, "condition, $variable", "The condition, or none where the variable is set to All.", func(a []string, _ panel) string { return "(" + a[0] + ")" }},
}

// conditionalAll is a condition that is left out where the variable stands for "All".
const conditionalAll = "$__conditionalAll"

func between(column string, p panel) string {
	return fmt.Sprintf("(%s >= %s AND %s < %s)", column, dateTime64(p.from), column, dateTime64(p.to))
}

func dateTime(t time.Time) string { return fmt.Sprintf("toDateTime(%d)", t.Unix()) }

func dateTime64(t time.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli())
}

func date(t time.Time) string { return "toDate('" + t.UTC().Format(time.DateOnly) + "')" }

func wholeSeconds(d time.Duration) int64 { return max(int64(d/time.Second), 1) }

// statement is the model's text with its macros replaced.
func (m *model) statement(q backend.DataQuery) (string, error) {
	text := strings.TrimSpace(m.Expr)
	if text == "" {
		return "", &query.RequestError{Param: "expr", Message: "there is no statement", Example: "SELECT $__timeInterval(time) AS time, count() AS executions FROM executions WHERE $__timeFilter(time) GROUP BY time ORDER BY time"}
	}
	if len(m.Filters) > 0 {
		return "", &query.RequestError{Param: "filters", Message: "a statement in SQL has its own conditions, and a dashboard's ad-hoc filters do not reach it: put variables into them", Example: "workflow_id IN ($workflow)"}
	}
	return replaceMacros(text, panel{q.TimeRange.From.UTC(), q.TimeRange.To.UTC(), q.Interval})
}

// replaceMacros replaces what stands outside of texts, quoted names and comments.
func replaceMacros(text string, p panel) (string, error) {
	var out strings.Builder
	for rest := text; rest != ""; {
		n, what := sqlToken(rest)
		token := rest[:n]
		rest = rest[n:]
		switch {
		case token == "'"+allValues+"'":
			return "", &query.RequestError{Param: "expr", Message: "a variable of the statement is set to “All”, which is no value: leave its condition out then", Example: conditionalAll + "(workflow_id IN ($workflow), $workflow)"}
		case what == sqlText && unreplaced(strings.Trim(token, "'")):
			return "", unreplacedError("expr", token, "the statement")
		case what != sqlVariable:
			out.WriteString(token)
			continue
		case !strings.HasPrefix(token, "$__"):
			return "", unreplacedError("expr", token, "the statement")
		}
		at := slices.IndexFunc(macros, func(m Macro) bool { return m.Name == token })
		if at < 0 {
			return "", &query.RequestError{Param: "expr", Value: token, Message: "there is no such macro", Allowed: macroNames()}
		}
		var args []string
		m := macros[at]
		if m.Args != "" {
			var size int
			var err error
			if args, size, err = arguments(token, rest, m.Args); err != nil {
				return "", err
			}
			rest = rest[size:]
			if token == conditionalAll && strings.Contains(args[1], allValues) {
				out.WriteString("1")
				continue
			}
			for i := range args {
				if args[i], err = replaceMacros(args[i], p); err != nil {
					return "", err
				}
			}
		}
		out.WriteString(m.text(args, p))
	}
	return out.String(), nil
}

// arguments reads what is in the parentheses behind a macro, and how long that is.
func arguments(macro, text, wanted string) (args []string, size int, err error) {
	bad := func(why string) error {
		return &query.RequestError{Param: "expr", Value: macro, Message: why, Example: macro + "(" + wanted + ")"}
	}
	if !strings.HasPrefix(text, "(") {
		return nil, 0, bad("the macro has no parentheses")
	}
	depth, start := 0, 1
	for at := 0; at < len(text); {
		n, _ := sqlToken(text[at:])
		switch text[at] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		}
		if depth == 0 || depth == 1 && text[at] == ',' {
			args = append(args, strings.TrimSpace(text[start:at]))
			start = at + 1
		}
		at += n
		if depth == 0 {
			if count := strings.Count(wanted, ",") + 1; len(args) != count || slices.Contains(args, "") {
				return nil, 0, bad(fmt.Sprintf("the macro takes %d arguments", count))
			}
			return args, at, nil
		}
	}
	return nil, 0, bad("the macro's parentheses are not closed")
}

func macroNames() []string {
	names := make([]string, len(macros))
	for i, m := range macros {
		names[i] = m.Name
	}
	return names
}

// The kinds of tokens that matter here.
type sqlKindOfToken int

const (
	sqlOther    sqlKindOfToken = iota // also comments and quoted names
	sqlText                           // in single quotes
	sqlVariable                       // $name and ${name}, which macros are too
)

// sqlToken returns the length and kind of the first token of a text that is not empty.
// What is not closed reaches to the end: the server says what is wrong with it.
func sqlToken(text string) (int, sqlKindOfToken) {
	switch {
	case text[0] == '\'':
		return quoted(text), sqlText
	case text[0] == '"', text[0] == '`':
		return quoted(text), sqlOther
	case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "# "), strings.HasPrefix(text, "#!"):
		return until(text, 1, "\n"), sqlOther
	case strings.HasPrefix(text, "/*"):
		return until(text, 2, "*/"), sqlOther
	case text[0] == '$':
		return dollar(text)
	}
	if n := word(text); n > 0 {
		return n, sqlOther // with the digits and dollars that a name may have
	}
	return 1, sqlOther
}

// quoted is the length of a text in quotes, in which a backslash or the quote itself
// stands before a quote that does not end it.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == text[0] && i+1 < len(text) && text[i+1] == text[0]:
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return len(text)
}

func until(text string, from int, end string) int {
	if i := strings.Index(text[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(text)
}

// dollar is the length of a variable, or of a text between two marks such as $sql$.
func dollar(text string) (int, sqlKindOfToken) {
	n := 1 + word(text[1:])
	switch {
	case n < len(text) && text[n] == '$':
		mark := text[:n+1]
		return until(text, n+1, mark), sqlOther
	case n > 1:
		return n, sqlVariable
	case strings.HasPrefix(text, "${"):
		return until(text, 2, "}"), sqlVariable
	}
	return 1, sqlOther
}

// word is the length of the letters, digits and underscores that a text begins with.
func word(text string) int {
	n := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if n < 0 {
		return len(text)
	}
	return n
}
