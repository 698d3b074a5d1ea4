package notify_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/notify"
)

// waits puts messages of a tenant into the database that are older than all others.
func (w *world) waits(tenant string, messages int) {
	w.t.Helper()
	require.NoError(w.t, w.store.Client.Exec(w.t.Context(), fmt.Sprintf(`INSERT INTO notifications (tenant, notifier, id, state, message, found_at, expires_at)
SELECT {tenant:String}, 'ops', toString(number), 0, concat('{"id":"', toString(number), '","tenantId":"', {tenant:String}, '","title":"t","text":"t","details":"{}"}'),
    toDateTime64('2040-06-01 00:00:00', 3, 'UTC'), toDateTime64('2041-01-01 00:00:00', 3, 'UTC') FROM numbers(%d)`, messages), map[string]any{"tenant": tenant}))
}

// What cannot be delivered for one tenant keeps up no other, however much of it there is, and
// whether it is refused or fails.
func TestATenantThatCannotBeToldKeepsUpNoOther(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			var rec *receiver
			rec = newReceiver(t, "ops", func(_ *http.Request, n int) int {
				if rec.all()[n-1].Tenant != "acme" {
					return status
				}
				return http.StatusOK
			})
			w := newWorld(t, eleventh, notify.Notifiers{rec.Notifier})
			w.waits("aaa", 1000)
			w.waits("zzz", 1100)
			_, metrics := w.run()
			eventually(t, "others are tried", func() bool { return len(rec.all()) > 10 })
			w.spend(eleventh.Add(-time.Hour), "5")
			w.put("research", "4", nil, "ops")
			eventually(t, "it is told", func() bool { return len(rec.about("research", "4")) == 1 })
			outcome := "failed"
			if status == http.StatusBadRequest {
				outcome = "refused"
				// All are tried that may be, and no more often than after a pause of their own.
				eventually(t, "all are tried", func() bool {
					once := map[string]bool{}
					for _, m := range rec.all() {
						once[m.Tenant+m.ID] = true
					}
					return len(once) == 2001
				})
				assert.Less(t, len(rec.all()), 9*2001, "after 1 s, 2 s, 4 s and so on, in two minutes")
			}
			assert.Positive(t, value(t, metrics, "flowgauge_notifications_total", "notifier=ops", "outcome="+outcome))
		})
	}
}

// A tenant's own messages that fail let its others go first, and are delivered in the end.
func TestATenantsOwnMessages(t *testing.T) {
	var well atomic.Bool
	var rec *receiver
	rec = newReceiver(t, "ops", func(_ *http.Request, n int) int {
		if rec.all()[n-1].Details.Budget == "" && !well.Load() {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	w := newWorld(t, eleventh, notify.Notifiers{rec.Notifier})
	w.waits("acme", 30)
	_, metrics := w.run()
	eventually(t, "some are tried", func() bool { return len(rec.all()) >= 3 })
	w.spend(eleventh.Add(-time.Hour), "5")
	w.put("research", "4", nil, "ops")
	eventually(t, "another arrives", func() bool { return len(rec.about("research", "4")) == 1 })
	well.Store(true)
	eventually(t, "all arrive", func() bool { return value(t, metrics, "flowgauge_notifications_waiting", "notifier=ops") == 0 })
	assert.InDelta(t, 31, value(t, metrics, "flowgauge_notifications_total", "notifier=ops", "outcome=delivered"), 0)
}
