package mapping

import "strings"

// Pattern is a text in which a * stands for any text. The zero value matches
// everything.
type Pattern struct {
	parts []string // between the stars; one is a literal
}

// NewPattern reads a pattern. The empty text is the zero value.
func NewPattern(s string) Pattern {
	if s == "" {
		return Pattern{}
	}
	return Pattern{parts: strings.Split(s, "*")}
}

// Any says whether the pattern matches everything.
func (p Pattern) Any() bool {
	return len(p.parts) == 0 || len(p.parts) == 2 && p.parts[0] == "" && p.parts[1] == ""
}

// Match says whether s matches, and what the first star stands for.
func (p Pattern) Match(s string) (star string, ok bool) {
	switch len(p.parts) {
	case 0:
		return "", true
	case 1:
		return "", s == p.parts[0]
	}
	s, ok = strings.CutPrefix(s, p.parts[0])
	if !ok {
		return "", false
	}
	last := len(p.parts) - 1
	for i, part := range p.parts[1:] {
		// The last part is looked for at the end, the others as early as possible.
		at := strings.Index(s, part)
		if i+1 == last {
			if !strings.HasSuffix(s, part) {
				return "", false
			}
			at = len(s) - len(part)
		}
		if at < 0 {
			return "", false
		}
		if i == 0 {
			star = s[:at]
		}
		s = s[at+len(part):]
	}
	return star, true
}
