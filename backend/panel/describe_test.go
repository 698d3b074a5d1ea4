package panel

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

func TestKindsAsDescribed(t *testing.T) {
	kinds, err := Kinds("acme-slo", []*contractv1.QueryKind{{
		Name: "slo", Title: "Error budgets", Description: "What is left.", Granularity: true,
		Parameters: []*contractv1.Parameter{{Name: "of", Description: "Of what.", Required: true, Allowed: []string{"steps", "executions"}, Default: "steps"}},
		Fields:     []*contractv1.Field{{Name: "left", Unit: "percent", Description: "How much."}},
	}})
	require.NoError(t, err)
	require.Len(t, kinds, 1)
	assert.EqualValues(t, "acme-slo.slo", kinds[0].Kind)
	assert.Equal(t, "acme-slo", kinds[0].Kind.Plugin())
	assert.Equal(t, "acme-slo", kinds[0].From)
	assert.Equal(t, []string{"granularity"}, kinds[0].Uses)
	assert.Equal(t, []string{"steps", "executions"}, kinds[0].Params[0].Allowed)
	assert.Equal(t, "percent", kinds[0].Fields[0].Unit)
}

func TestWhatIsNoDescription(t *testing.T) {
	sound := func(change func(*contractv1.QueryKind)) *contractv1.QueryKind {
		k := &contractv1.QueryKind{Name: "slo", Title: "T", Description: "D", Parameters: []*contractv1.Parameter{{Name: "p", Description: "D"}}, Fields: []*contractv1.Field{{Name: "f", Description: "D"}}}
		change(k)
		return k
	}
	for want, change := range map[string]func(*contractv1.QueryKind){
		"name: want":                      func(k *contractv1.QueryKind) { k.Name = "Slo" },
		"title: it is empty":              func(k *contractv1.QueryKind) { k.Title = "" },
		"title: it has 101":               func(k *contractv1.QueryKind) { k.Title = strings.Repeat("t", 101) },
		"description: it has control":     func(k *contractv1.QueryKind) { k.Description = "a\x1b[31m" },
		"description: it is not valid":    func(k *contractv1.QueryKind) { k.Description = "\xff" },
		"it has 21 parameters":            func(k *contractv1.QueryKind) { k.Parameters = make([]*contractv1.Parameter, 21) },
		"it has 101 fields":               func(k *contractv1.QueryKind) { k.Fields = make([]*contractv1.Field, 101) },
		`parameter "p" is there twice`:    func(k *contractv1.QueryKind) { k.Parameters = append(k.Parameters, k.Parameters[0]) },
		"want letters":                    func(k *contractv1.QueryKind) { k.Parameters[0].Name = "p.q" },
		"p, description: it is empty":     func(k *contractv1.QueryKind) { k.Parameters[0].Description = "" },
		"p, default: it has 201":          func(k *contractv1.QueryKind) { k.Parameters[0].Default = strings.Repeat("d", 201) },
		"101 allowed values":              func(k *contractv1.QueryKind) { k.Parameters[0].Allowed = make([]string, 101) },
		"p, allowed value: it is empty":   func(k *contractv1.QueryKind) { k.Parameters[0].Allowed = []string{""} },
		`"c" is none of the allowed`:      func(k *contractv1.QueryKind) { k.Parameters[0].Allowed, k.Parameters[0].Default = []string{"a"}, "c" },
		"needs an example":                func(k *contractv1.QueryKind) { k.Parameters[0].Required = true },
		"a field's name: it is empty":     func(k *contractv1.QueryKind) { k.Fields[0].Name = "" },
		"description of field f: it is":   func(k *contractv1.QueryKind) { k.Fields[0].Description = "" },
		"unit of field f: it has control": func(k *contractv1.QueryKind) { k.Fields[0].Unit = "\n" },
	} {
		_, err := Kinds("acme-slo", []*contractv1.QueryKind{sound(change)})
		require.ErrorContains(t, err, want)
	}
	nothing := func(*contractv1.QueryKind) {}
	_, err := Kinds("acme-slo", []*contractv1.QueryKind{sound(nothing), sound(nothing)})
	require.ErrorContains(t, err, `it describes kind "slo" twice`)
	_, err = Kinds("acme-slo", nil)
	require.ErrorContains(t, err, "it describes no kinds")
	_, err = Kinds("acme-slo", make([]*contractv1.QueryKind, 21))
	require.ErrorContains(t, err, "it describes 21 kinds, 20 are allowed")
}
