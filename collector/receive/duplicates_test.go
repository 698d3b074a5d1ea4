package receive

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// The log says how many events were left out, and whose they were.
func TestDuplicatesAreRecorded(t *testing.T) {
	c := start(t, Limits{}, nil)
	from := func(source string) string { return good[:len(good)-1] + `,"source":"` + source + `"}` }
	cost := `{"kind":"cost","id":"c1","timestamp":"2024-05-31T10:00:00Z","credits":1,"tenantId":"other"}`
	body := strings.Join([]string{from("crm"), from("crm"), from("erp"), good2, from("erp"), cost, cost}, "\n")
	for range 2 { // The second request has nothing left over from the first.
		a := c.post(strings.NewReader(body), "Content-Type", ndjson, "Authorization", "Bearer all")
		require.Equal(t, http.StatusAccepted, a.status)
		require.Equal(t, 3, a.Accepted)
		require.Equal(t, 4, a.Duplicates)
		got := map[event.Duplicates]bool{}
		for range c.log.Stats().Pending {
			records, err := c.log.Fetch(t.Context(), 1)
			require.NoError(t, err)
			if event.RecordType(records[0].Data) == event.RecordDuplicates {
				var d event.Duplicates
				require.NoError(t, event.DecodeDuplicates(records[0].Data, &d))
				got[d] = true
			}
		}
		require.NoError(t, c.log.Commit(t.Context()))
		require.Equal(t, map[event.Duplicates]bool{
			{Tenant: "acme", Source: "crm", Kind: event.KindActivity, Count: 2}: true,
			{Tenant: "acme", Source: "erp", Kind: event.KindActivity, Count: 1}: true,
			{Tenant: "other", Kind: event.KindCost, Count: 1}:                   true,
		}, got)
	}
}
