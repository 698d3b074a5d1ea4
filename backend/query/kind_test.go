package query

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKindsAreDescribed(t *testing.T) {
	seen := map[Kind]bool{}
	for _, k := range Kinds() {
		require.False(t, seen[k.Kind], k.Kind)
		seen[k.Kind] = true
		require.NotEmpty(t, k.Title, k.Kind)
		require.NotEmpty(t, k.Description, k.Kind)
		require.NotNil(t, k.Uses, k.Kind)
		require.NotNil(t, k.Params, k.Kind)
		require.NotNil(t, k.Fields, k.Kind)
		for _, p := range k.Params {
			require.NotEmpty(t, p.Description, "%s %s", k.Kind, p.Name)
			if len(p.Allowed) > 0 && p.Default != "" {
				require.Contains(t, p.Allowed, p.Default, "%s %s", k.Kind, p.Name)
			}
		}
		for _, f := range k.Fields {
			require.NotEmpty(t, f.Description, "%s %s", k.Kind, f.Name)
		}
	}
}

// What a kind does not take would silently be another question.
func TestKindsRefuseWhatTheyDoNotTake(t *testing.T) {
	for param, r := range map[string]Request{
		"kind":        {Kind: "nonsense"},
		"granularity": {Kind: KindSessions, Granularity: Hour},
		"groupBy":     {Kind: KindErrors, GroupBy: []string{"workflow"}},
		"compare":     {Kind: KindAuditTrail, Compare: PreviousDay},
		"params.x":    {Kind: KindErrors, Params: map[string]string{"x": "1"}},
	} {
		_, err := shapeOf(&r)
		var wrong *RequestError
		require.ErrorAs(t, err, &wrong, param)
		require.Equal(t, param, wrong.Param)
	}
	s, err := shapeOf(&Request{Metrics: []string{"executions"}, Compare: PreviousDay, Limit: 3})
	require.NoError(t, err)
	require.Equal(t, KindMetrics, s.Kind)
}

func TestParams(t *testing.T) {
	s := shape{KindInfo: KindInfo{Kind: "x", Params: []ParamInfo{
		{Name: "execution", Required: true}, {Name: "by", Default: "total", Allowed: []string{"total", "p95"}},
	}}}
	require.ErrorContains(t, s.checkParams(nil), "params.execution")
	require.ErrorContains(t, s.checkParams(map[string]string{"execution": "1", "by": "y"}), "total, p95")
	require.NoError(t, s.checkParams(map[string]string{"execution": "1"}))
	r := &Request{Params: map[string]string{"execution": " 1 "}}
	require.Equal(t, "1", s.param(r, "execution"))
	require.Equal(t, "total", s.param(r, "by"))
}
