package cache_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// house keeps records, and things from people.
type house struct {
	policy  query.Policy
	records []query.AuditRecord
}

func (h *house) Policy(context.Context, access.Principal) (query.Policy, error) { return h.policy, nil }

func (h *house) Audit(_ context.Context, r query.AuditRecord) error {
	h.records = append(h.records, r)
	return nil
}

// A reading is recorded once, however it is answered, and what a policy keeps from
// somebody is not answered from before there was the policy.
func TestPoliciesAndRecordsHoldForTheCache(t *testing.T) {
	s, c, h := querytest.New(t), &clock{start.AddDate(0, 0, 3)}, &house{}
	e, err := query.New(query.Config{Client: s.Client, Now: c.read, PendingTTL: -1, Policies: h, Auditor: h})
	require.NoError(t, err)
	cached, registry := newCache(t, e, c, nil)
	ask := func() error {
		_, err := cached.Do(t.Context(), admin, query.Request{
			Metrics: []string{"executions"}, Granularity: query.Day, GroupBy: []string{"workflow"}, From: start, To: start.AddDate(0, 0, 3),
		})
		return err
	}
	require.NoError(t, ask())
	require.NoError(t, ask())
	require.Len(t, h.records, 2, "one of each, not of its pieces")
	require.Equal(t, 1, outcomes(t, registry)["hit"])
	h.policy.Redact = []string{"workflow"}
	require.ErrorContains(t, ask(), "not shown")
	require.Len(t, h.records, 3)
	require.Equal(t, query.OutcomeDenied, h.records[2].Outcome)
}
