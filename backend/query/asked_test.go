package query

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Whatever a question has, but for its period, tells it from others: a member of Request
// that the key leaves out would give one question the answer of another.
func TestKeyTellsQuestionsApart(t *testing.T) {
	base := func() Request {
		return Request{
			Metrics: []string{"a", "b"}, GroupBy: []string{"c"}, Filters: []Filter{{Dimension: "d", Operator: In, Values: []string{"e", "f"}}},
			Params: map[string]string{"g": "h", "i": "j"}, TimeZone: "UTC",
		}
	}
	s := scope{tenant: "t", users: []string{"u", "v"}}
	of := func(change func(*Request)) string {
		r := base()
		change(&r)
		return keyOf(s, access.RoleManager, r.Kind, &r)
	}
	same := of(func(*Request) {})
	period := map[string]bool{"From": true, "To": true, "teams": true} // teams follow from the filters
	known := map[string]string{same: "nothing"}
	kinds := reflect.TypeFor[Request]()
	for i := range kinds.NumField() {
		name := kinds.Field(i).Name
		if period[name] {
			continue
		}
		key := of(func(r *Request) { different(t, reflect.ValueOf(r).Elem().Field(i)) })
		require.Empty(t, known[key], "%s is as if %s had changed", name, known[key])
		known[key] = name
	}
	for name, change := range map[string]func(*Request){
		"lists cut elsewhere":   func(r *Request) { r.Metrics, r.GroupBy = []string{"a"}, []string{"b", "c"} },
		"texts cut elsewhere":   func(r *Request) { r.Metrics = []string{"ab"} },
		"a filter's dimension":  func(r *Request) { r.Filters[0].Dimension = "x" },
		"a filter's operator":   func(r *Request) { r.Filters[0].Operator = NotIn },
		"a filter's values":     func(r *Request) { r.Filters[0].Values = []string{"e,f"} },
		"a parameter's value":   func(r *Request) { r.Params["g"] = "k" },
		"parameters, exchanged": func(r *Request) { r.Params = map[string]string{"g": "j", "i": "h"} },
	} {
		require.Empty(t, known[of(change)], name)
	}
	r := base()
	require.NotEqual(t, same, keyOf(scope{tenant: "t", users: []string{"u"}}, access.RoleManager, r.Kind, &r))
	require.NotEqual(t, same, keyOf(scope{tenant: "x", users: s.users}, access.RoleManager, r.Kind, &r))
	require.NotEqual(t, same, keyOf(s, access.RoleViewer, r.Kind, &r))
	r.From, r.To = time.Now(), time.Now()
	require.Equal(t, same, keyOf(s, access.RoleManager, r.Kind, &r), "the period is beside it")
}

// different gives a member another value.
func different(t *testing.T, v reflect.Value) {
	t.Helper()
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = time.Unix(1, 0)
	case *map[string]string:
		*at = map[string]string{"z": "z"}
	case *[]string:
		*at = append(*at, "z")
	case *[]Filter:
		*at = append(*at, Filter{Dimension: "z"})
	default:
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "z")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int:
			v.SetInt(v.Int() + 1)
		default:
			t.Fatalf("a member of type %s: say here how it differs", v.Type())
		}
	}
}
