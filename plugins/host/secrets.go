package host

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// shortestSecret that is looked for: shorter ones are parts of words.
const shortestSecret = 6

// secrets takes values that nobody is to see out of what a plugin says of itself: a library's
// error has the URL or the header in it with which it was asked.
type secrets struct {
	all []string
	out atomic.Pointer[strings.Replacer]
}

func newSecrets(values []string) *secrets {
	s := &secrets{}
	s.learn(values)
	return s
}

// learn adds values. Those before stay: a process that has them may still end.
func (s *secrets) learn(values []string) {
	s.all = append(s.all, values...)
	slices.Sort(s.all)
	s.all = slices.Compact(s.all)
	var forms []string
	for _, value := range s.all {
		parts := []string{value}
		for line := range strings.Lines(value) { // as a log has them
			parts = append(parts, strings.TrimSpace(line))
		}
		for _, part := range parts {
			quoted, _ := json.Marshal(part)
			for _, q := range []string{string(quoted), strconv.Quote(part)} {
				forms = append(forms, q[1:len(q)-1])
			}
			forms = append(forms, part, url.QueryEscape(part), url.PathEscape(part))
		}
	}
	forms = slices.DeleteFunc(forms, func(form string) bool { return len(form) < shortestSecret })
	// A secret that begins with another goes as a whole.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, "[secret]")
	}
	s.out.Store(strings.NewReplacer(pairs...))
}

// clean is what may be shown of a text, at a length that a person reads.
func (s *secrets) clean(text string) string { return cut(s.out.Load().Replace(text), 500) }

// err is an error with a text that may be shown.
func (s *secrets) err(err error) error {
	if err == nil {
		return nil
	}
	if text := s.clean(err.Error()); text != err.Error() {
		return &cleaned{text: text, error: err}
	}
	return err
}

type cleaned struct {
	error
	text string
}

func (e *cleaned) Error() string { return e.text }

func (e *cleaned) Unwrap() error { return e.error }

// cut keeps a text to a length in bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}
