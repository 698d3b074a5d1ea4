package query

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
)

// A key of metadata is a value that a caller wrote: it is bound, and its column
// has a name made of digits.
func TestAMemberOfMetadataReachesTheStatementAsAValue(t *testing.T) {
	const hostile = "metadata.x') AS y, (SELECT 1) -- `\""
	e := &Engine{now: time.Now, limits: Limits{}.withDefaults()}
	q, err := e.check(access.Principal{Tenant: "t", Role: access.RoleAdmin}, Request{
		Metrics: []string{"cost_records"}, GroupBy: []string{hostile},
		Filters: []Filter{{Dimension: "metadata.region", Operator: In, Values: []string{"eu'"}}},
		From:    time.Date(2024, 9, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC),
	})
	require.NoError(t, err)
	st := q.rollups(q.sources[0], []segment{{levelRaw, []span{q.period()}}}, q.calendar(), ordering{limit: 10})
	assert.NotContains(t, st.sql, "SELECT 1")
	assert.NotContains(t, st.sql, "region")
	assert.NotContains(t, st.sql, "eu'")
	assert.Contains(t, st.sql, "JSONExtractString(metadata, {p")
}

func TestQuestionsByMetadataAreLimited(t *testing.T) {
	e := &Engine{now: time.Now, limits: Limits{}.withDefaults()}
	ask := func(r Request) error {
		r.From = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		r.To = r.From.AddDate(0, 6, 0)
		_, err := e.check(access.Principal{Tenant: "t", Role: access.RoleAdmin}, r)
		return err
	}
	assert.ErrorContains(t, ask(Request{Metrics: []string{"dollars"}, GroupBy: []string{"metadata.provider"}}), "up to 93 days")
	assert.ErrorContains(t, ask(Request{Metrics: []string{"steps"}, GroupBy: []string{"metadata.provider"}}), "not a dimension of steps")
	assert.ErrorContains(t, ask(Request{Metrics: []string{"dollars"}, GroupBy: []string{"metadata."}}), "no such dimension")
}
