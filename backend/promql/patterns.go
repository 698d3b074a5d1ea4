package promql

import (
	"fmt"
	"regexp/syntax"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/strutil"
)

const (
	maxPatternLength = 16_384
	// maxPatternSize is how many instructions an expression may become. A repetition
	// of repetitions is short to write: (((a{100}){100}){100}).
	maxPatternSize = 50_000
	maxPatterns    = 100
)

// checkText refuses what would be expensive to parse, before it is parsed: the length
// of a query, and the size of the regular expressions in it, which the parser compiles.
func (a *API) checkText(text string) error {
	if len(text) > a.limits.Length {
		return fmt.Errorf("the query has %d bytes, allowed are %d", len(text), a.limits.Length)
	}
	var item parser.Item
	patterns, size := 0, 0
	lexer := parser.Lex(text)
	for pattern := false; ; {
		lexer.NextItem(&item)
		switch item.Typ {
		case parser.EOF, parser.ERROR:
			return nil // the parser will say what is wrong
		case parser.EQL_REGEX, parser.NEQ_REGEX:
			pattern = true
			continue
		case parser.STRING:
			if pattern {
				expression, err := strutil.Unquote(item.Val)
				if err != nil {
					return nil //nolint:nilerr // the parser will say so
				}
				if len(expression) > maxPatternLength {
					return fmt.Errorf("a regular expression has %d bytes, allowed are %d", len(expression), maxPatternLength)
				}
				n, err := patternSize(expression)
				if err != nil {
					return nil //nolint:nilerr // the parser will say so
				}
				patterns, size = patterns+1, size+n
			}
		}
		pattern = false
		if size > maxPatternSize || patterns > maxPatterns {
			return fmt.Errorf("the regular expressions are too large: they may have %d states, and there may be %d of them", maxPatternSize, maxPatterns)
		}
	}
}

// patternSize counts the instructions of an expression without expanding it.
func patternSize(expression string) (int, error) {
	parsed, err := syntax.Parse(expression, syntax.Perl|syntax.DotNL)
	if err != nil {
		return 0, err
	}
	return instructions(parsed), nil
}

func instructions(r *syntax.Regexp) int {
	n := 1 + len(r.Rune)
	for _, sub := range r.Sub {
		n = min(n+instructions(sub), maxPatternSize+1)
	}
	if r.Op == syntax.OpRepeat {
		n = min(n*max(r.Min, r.Max, 1), maxPatternSize+1)
	}
	return n
}
