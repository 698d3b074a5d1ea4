package query

import (
	"slices"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// peopleAggregate counts the different users of a group, for policies with a minimum.
const peopleAggregate = "people"

func people() aggregate {
	return aggregate{sql: "uniqExactIf(m_user_id, m_user_id != '')", measures: []string{"user_id"}, kind: integers, users: true}
}

// restrict makes a question one whose groups are of so many users at least. A metric
// whose users cannot be counted is refused, unless it is about no users at all. Rolling
// counts are: a group may have enough users in its 28 days and one in the last seven.
func (q *question) restrict(minimum int) error {
	if minimum <= 1 {
		return nil
	}
	for _, m := range q.metrics {
		for _, s := range m.Sources {
			if _, counted := aggregatesOf(s)[peopleAggregate]; !counted && (s == metric.SourceRolling || dimensionsOf(s)[metric.User] != "") {
				return &AccessError{Message: "metric " + m.Name + " does not tell how many users it is about, and the caller sees groups of several users only"}
			}
		}
	}
	q.minimum = minimum
	return nil
}

// largeEnough leaves out the groups of too few users. Where one group alone is left
// out, what it is could be told from the others and the whole; so the smallest of
// those others goes with it.
func (a *answer) largeEnough() (_ *answer, withheld int) {
	if a.q.minimum <= 1 {
		return a, 0
	}
	count := make([]int64, a.rows)
	keep, out := make([]int, 0, a.rows), map[int64][]int{}
	for row := range a.rows {
		count[row] = a.people(row)
		if n := count[row]; n == 0 || n >= int64(a.q.minimum) {
			keep = append(keep, row)
		} else {
			out[a.label(row)] = append(out[a.label(row)], row)
		}
	}
	smallest := map[int64]int{}
	for _, row := range keep {
		l := a.label(row)
		if at, ok := smallest[l]; len(out[l]) == 1 && count[row] > 0 && (!ok || count[row] < count[at]) {
			smallest[l] = row
		}
	}
	keep = slices.DeleteFunc(keep, func(row int) bool {
		at, ok := smallest[a.label(row)]
		return ok && at == row
	})
	return a.keep(keep), a.rows - len(keep)
}

func (a *answer) label(row int) int64 {
	if a.labels == nil {
		return 0
	}
	return a.labels[row]
}

// people returns how many users a row is about by the source that has the fewest of
// them, 0 where no source has any.
func (a *answer) people(row int) int64 {
	fewest := int64(0)
	for s, t := range a.tables {
		at, column := a.row(s, row), slices.Index(t.names, peopleAggregate)
		if at < 0 || column < 0 {
			continue
		}
		if n := t.cells[column].ints[at]; n > 0 && (fewest == 0 || n < fewest) {
			fewest = n
		}
	}
	return fewest
}
