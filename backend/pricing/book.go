// Package pricing fills in what costs cost: where a source sends a cost without
// dollars, a price book says what its credits, its units or the action itself are
// worth.
//
//	PUT price book ──> price_books (every revision is kept)
//	                        │ read every ten seconds
//	sink: cost without dollars ──> Prices.Price ──> dollars, marked as derived
//	flowgauge pricing apply: the same for costs that are stored already
//
// A rule is chosen by the event's own time, so a book that is loaded later gives an
// old event the price of its day. What a source sent, 0 included, is never touched.
package pricing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/backend/event"
)

// The limits of a book.
const (
	MaxRules = 10_000
	MaxBytes = 4 << 20
)

// Book is a tenant's prices. The first rule that matches and can price a cost does.
type Book struct {
	Rules []Rule `yaml:"rules" json:"rules"`
}

// Rule prices the costs that it matches: PerEvent + credits × PerCredit + the sum
// over PerUnit of metadata[unit] × rate, in dollars.
type Rule struct {
	Name  string `yaml:"name" json:"name"`
	Match Match  `yaml:"match,omitempty" json:"match"`

	// The rule holds for events with From <= own time < Until; empty is no bound.
	From  string `yaml:"from,omitempty" json:"from,omitempty"`
	Until string `yaml:"until,omitempty" json:"until,omitempty"`

	PerEvent  string            `yaml:"perEvent,omitempty" json:"perEvent,omitempty"`
	PerCredit string            `yaml:"perCredit,omitempty" json:"perCredit,omitempty"`
	PerUnit   map[string]string `yaml:"perUnit,omitempty" json:"perUnit,omitempty"`
}

// Match says which costs a rule is for. Empty matches everything; a * at the end of
// a text matches what begins with the rest.
type Match struct {
	ActionType string            `yaml:"actionType,omitempty" json:"actionType,omitempty"`
	WorkflowID string            `yaml:"workflowId,omitempty" json:"workflowId,omitempty"`
	UserID     string            `yaml:"userId,omitempty" json:"userId,omitempty"`
	Source     string            `yaml:"source,omitempty" json:"source,omitempty"`
	Metadata   map[string]string `yaml:"metadata,omitempty" json:"metadata,omitempty"`
}

// Parse reads a book from YAML or JSON and checks it. Its error lists every fault.
func Parse(text []byte) (*Book, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the price book has %d bytes; it may have %d", len(text), MaxBytes)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	b := new(Book)
	if err := d.Decode(b); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the price book is empty: write at least 'rules: []'")
		}
		return nil, fmt.Errorf("read the price book: %w", err)
	}
	if _, err := b.compile(); err != nil {
		return nil, err
	}
	return b, nil
}

// compile turns the texts of a book into values.
func (b *Book) compile() ([]rule, error) {
	if len(b.Rules) > MaxRules {
		return nil, fmt.Errorf("the price book has %d rules; it may have %d", len(b.Rules), MaxRules)
	}
	var errs []error
	names := map[string]int{}
	out := make([]rule, 0, len(b.Rules))
	for i := range b.Rules {
		r, err := b.Rules[i].compile()
		if err == nil {
			if before, again := names[r.name]; again {
				err = fmt.Errorf("has the name of rule %d", before+1)
			}
			names[r.name] = i
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %d (%s): %w", i+1, b.Rules[i].Name, err))
			continue
		}
		out = append(out, r)
	}
	return out, errors.Join(errs...)
}

func (r *Rule) compile() (out rule, err error) {
	out = rule{name: r.Name, match: r.Match, from: noBound, until: noBound}
	if r.Name == "" {
		return out, errors.New("needs a name, by which reports refer to it")
	}
	if out.from, err = parseTime("from", r.From); err != nil {
		return out, err
	}
	if out.until, err = parseTime("until", r.Until); err != nil {
		return out, err
	}
	if out.from != noBound && out.until != noBound && out.from >= out.until {
		return out, fmt.Errorf("holds from %s until %s, which is no time at all", r.From, r.Until)
	}
	if r.PerEvent == "" && r.PerCredit == "" && len(r.PerUnit) == 0 {
		return out, errors.New("has no price: give perEvent, perCredit or perUnit")
	}
	if out.perEvent, err = parsePrice("perEvent", r.PerEvent); err != nil {
		return out, err
	}
	if out.perCredit, err = parsePrice("perCredit", r.PerCredit); err != nil {
		return out, err
	}
	out.byCredit, out.byEvent = r.PerCredit != "", r.PerEvent != ""
	for _, name := range sortedKeys(r.PerUnit) {
		rate, err := parsePrice("perUnit."+name, r.PerUnit[name])
		if err != nil {
			return out, err
		}
		out.perUnit = append(out.perUnit, unit{name, rate})
	}
	return out, nil
}

func parsePrice(field, text string) (event.Decimal, error) {
	if text == "" {
		return event.Decimal{}, nil
	}
	d, err := event.ParseDecimal([]byte(text))
	if err != nil {
		return d, fmt.Errorf("%s is %q: %w; give dollars, e.g. \"0.002\"", field, text, err)
	}
	return d, nil
}

// noBound is a bound that is absent.
const noBound = -1

func parseTime(field, text string) (int64, error) {
	if text == "" {
		return noBound, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Unix() >= 0 {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%s is %q: give a date in UTC or a time of RFC 3339, e.g. 2026-03-01", field, text)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// matches says whether a text is a pattern's, which may end in *.
func matches(pattern, text string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(text, prefix)
	}
	return pattern == "" || pattern == text
}
