package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// The bounds of what a caller can have written down: a refused question is recorded as
// well, and may hold anything.
const (
	maxText   = 512 // bytes of a name or value
	maxItems  = 50  // metrics, dimensions, filters, and values of a filter
	maxParams = 20
	maxSealed = 16 << 10 // bytes of a record
	// maxPlace is what a record's place in a chain adds to it when it is stored.
	maxPlace = 512
)

// shorten bounds what a caller can have written down, and returns the size of the record
// as text, or a little more. Where many long texts are too much together, each has less.
// The tenant stays: another one would be another tenant's.
func shorten(r *Record) (size int) {
	for _, at := range []*time.Time{&r.From, &r.To} { // a period that is none must not keep the others from being written
		if y := at.Year(); y < 0 || y > 9999 {
			*at = time.Time{}
		}
	}
	if size, fits := r.weigh(); fits {
		return size
	}
	full := *r
	for text, items := maxText, maxItems; ; text, items = max(text/2, 16), max(items/2, 1) {
		*r = full.bounded(text, items)
		written, err := json.Marshal(r)
		size = len(written) + maxPlace
		if err != nil || size <= maxSealed || items == 1 {
			return size
		}
	}
}

// members are the bytes of a record's text beside what its texts have, at most: names of
// members, times and numbers.
const members = 512

// weigh returns the most that a record's text can have, and whether that and everything in
// it is within the bounds, as it is in all but a few: writing each as JSON to see would be
// done twice.
func (r *Record) weigh() (size int, fits bool) {
	size, fits = members+maxPlace, true
	text := func(s string) {
		size += quoted(s) + len(`"",`)
		fits = fits && len(s) <= maxText
	}
	list := func(all []string) {
		fits = fits && len(all) <= maxItems
		for _, s := range all {
			text(s)
		}
	}
	size += quoted(r.Tenant)
	for _, s := range []string{r.KeyID, r.UserID, string(r.Role), r.Surface, r.Kind, r.Scope, r.Outcome} {
		text(s)
	}
	list(r.Metrics)
	list(r.GroupBy)
	fits = fits && len(r.Filters) <= maxItems && len(r.Params) <= maxParams
	for _, f := range r.Filters {
		size += len(`{"dimension":,"operator":,"values":[]},`)
		text(f.Dimension)
		text(f.Operator)
		list(f.Values)
	}
	for name, value := range r.Params {
		text(name)
		text(value)
	}
	return size, fits && size <= maxSealed
}

// quoted returns how many bytes a text has in JSON, at most.
func quoted(s string) (n int) {
	for i := range len(s) {
		switch b := s[i]; {
		case b < ' ', b >= utf8.RuneSelf, b == '"', b == '\\', b == '<', b == '>', b == '&':
			n += len(`\u0000`)
		default:
			n++
		}
	}
	return n
}

// bounded returns a record with texts of so many bytes and lists of so many items.
func (r *Record) bounded(text, items int) Record {
	out := *r
	for _, s := range []*string{&out.KeyID, &out.UserID, (*string)(&out.Role), &out.Surface, &out.Kind, &out.Scope, &out.Outcome} {
		*s = cut(*s, text)
	}
	out.Metrics, out.GroupBy = cutList(r.Metrics, text, items), cutList(r.GroupBy, text, items)
	out.Filters = nil
	for i, f := range r.Filters {
		if i == items {
			out.Filters = append(out.Filters, Filter{Dimension: more(len(r.Filters) - items)})
			break
		}
		out.Filters = append(out.Filters, Filter{Dimension: cut(f.Dimension, text), Operator: cut(f.Operator, text), Values: cutList(f.Values, text, items)})
	}
	out.Params = nil
	for i, name := range slices.Sorted(maps.Keys(r.Params)) {
		if out.Params == nil {
			out.Params = map[string]string{}
		}
		if most := min(items, maxParams); i == most {
			out.Params["…"] = more(len(r.Params) - most)
			break
		}
		out.Params[cut(name, text)] = cut(r.Params[name], text)
	}
	return out
}

func cutList(list []string, text, items int) []string {
	if list == nil {
		return nil
	}
	out := make([]string, 0, min(len(list), items+1))
	for i, s := range list {
		if i == items {
			return append(out, more(len(list)-items))
		}
		out = append(out, cut(s, text))
	}
	return out
}

func more(n int) string { return fmt.Sprintf("… and %d more", n) }

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
