package audit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a record is said to weigh is never less than what its text has, nor twice as much;
// what does not fit is not said to.
func TestWeight(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	full := Record{
		At: last, Tenant: "acme", KeyID: "key", UserID: "user", Role: "manager", Surface: "promql", Kind: "metrics",
		Metrics: []string{"executions", "duration_p95"}, From: last, To: last, GroupBy: []string{"workflow"},
		Filters: []Filter{{Dimension: "workflow", Operator: "in", Values: []string{"a", "b"}}}, Params: map[string]string{"by": "total"},
		Scope: "team", Users: -1 << 62, Rows: -1 << 62, Outcome: "answered",
	}
	awkward := full
	awkward.Tenant, awkward.KeyID, awkward.UserID = "\x00<&>\u2028", "\xff\xfe", "\"\\\x7fä"
	awkward.Metrics = []string{strings.Repeat("\x01", maxText)}
	awkward.Params = map[string]string{"\u2029": strings.Repeat("\xff", maxText)}
	most := full
	most.Metrics = make([]string, maxItems)
	for name, r := range map[string]Record{"none": {}, "full": full, "awkward": awkward, "most": most} {
		size, fits := r.weigh()
		require.True(t, fits, name)
		text, err := json.Marshal(r)
		require.NoError(t, err)
		require.GreaterOrEqual(t, size, len(text)+maxPlace, name)
		require.LessOrEqual(t, size, 2*(len(text)+maxPlace), name)
	}
	for name, change := range map[string]func(*Record){
		"a text":          func(r *Record) { r.Kind = strings.Repeat("k", maxText+1) },
		"a filter's text": func(r *Record) { r.Filters = []Filter{{Values: []string{strings.Repeat("k", maxText+1)}}} },
		"a list":          func(r *Record) { r.GroupBy = make([]string, maxItems+1) },
		"filters":         func(r *Record) { r.Filters = make([]Filter, maxItems+1) },
		"a filter's list": func(r *Record) { r.Filters = []Filter{{Values: make([]string, maxItems+1)}} },
		"parameters":      func(r *Record) { r.Params = map[string]string{strings.Repeat("k", maxText+1): ""} },
		"all of it":       func(r *Record) { r.Tenant = strings.Repeat("t", maxSealed) },
	} {
		r := full
		change(&r)
		_, fits := r.weigh()
		require.False(t, fits, name)
	}
}
