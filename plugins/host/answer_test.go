package host_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// What a plugin asks may be down or late too, and it may say so.
func TestAStatusOfThePluginsOwnIsAnError(t *testing.T) {
	for how, says := range map[string]string{"unavailable": "the directory of users is down", "deadline": "the directory of users takes too long"} {
		t.Run(how, func(t *testing.T) {
			r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, how, false)})
			r.eventually(t, "it starts", func() bool { return r.Err() == nil })
			for range 2 {
				var failed *host.FailedError
				require.ErrorAs(t, r.enrich(t, `{"a":"poison"}`), &failed)
				assert.Equal(t, says, failed.Why.Error())
				assert.False(t, failed.Gone || failed.Late)
				require.NoError(t, r.Err())
			}
			assert.Equal(t, 2, calls(r, "error"))
			require.NoError(t, r.enrich(t, `{}`))
		})
	}
}

// calls is how many had an outcome.
func calls(r *running, outcome string) (sum int) {
	families, _ := r.registry.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "flowgauge_plugin_calls_total" && l.GetName() == "outcome" && l.GetValue() == outcome {
					sum += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return sum
}

func TestAHangUnderTheCallersDeadlineCounts(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "hang", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	hang := func(cancels bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		want := context.DeadlineExceeded
		if cancels {
			asked, cancelled := context.WithCancel(t.Context())
			context.AfterFunc(ctx, cancelled)
			ctx, want = asked, context.Canceled
		}
		require.ErrorIs(t, r.enrichWithin(ctx, `{"a":"poison"}`), want)
	}
	for range 5 {
		hang(true)
	}
	require.NoError(t, r.Err(), "who goes away says nothing of the plugin")
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for range 5 {
		require.ErrorIs(t, r.enrichWithin(over, `{}`), context.DeadlineExceeded)
	}
	require.NoError(t, r.Err(), "it was not asked")
	for range 3 {
		hang(false)
	}
	require.ErrorContains(t, r.Err(), "3 calls of its enricher in a row have failed: plugin test-misbehave: no answer within the 10")
	assert.Equal(t, 3, calls(r, "timeout"))
	r.eventually(t, "it starts again", func() bool { return restarts(r) > 0 && r.Err() == nil })
}

func withPanel(m *host.Manifest, _ string) { m.Extends = append(m.Extends, contract.ExtensionPanel) }

// plan asks for a plan of a panel, which then does how.
func (r *running) plan(t *testing.T, how string) error {
	return r.Call(t.Context(), contract.ExtensionPanel, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		res, err := contractv1.NewPanelClient(conn).Plan(ctx, &contractv1.PlanRequest{Question: &contractv1.Question{Parameters: map[string]string{"how": how}}})
		if err == nil && how == "plan none" && len(res.GetRequests()) == 0 {
			return errors.New("the plan is empty")
		}
		return err
	})
}

func TestAnExtensionThatFailsTakesNoOtherDown(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, withPanel), host.Use{Settings: hosttest.Settings(t, "error", false), Timeout: 5 * time.Second})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	for range 10 {
		var failed *host.FailedError
		require.ErrorAs(t, r.plan(t, "plan error"), &failed)
		assert.Equal(t, "the list of workflows is not there", failed.Why.Error())
		require.NoError(t, r.enrich(t, `{}`), "it has answered: it works")
	}
	for range 2 {
		require.Error(t, r.plan(t, "plan none"))
		require.Error(t, r.enrich(t, `{"a":"poison"}`))
	}
	require.NoError(t, r.Err(), "each is counted for itself")
	require.Error(t, r.enrich(t, `{"a":"poison"}`))
	require.ErrorContains(t, r.Err(), "3 calls of its enricher in a row have failed", "where events pass, an error is a reason")
	r.eventually(t, "it starts again", func() bool { return restarts(r) > 0 && r.Err() == nil })
	for range 3 {
		require.NoError(t, r.enrich(t, `{}`))
		require.ErrorContains(t, r.plan(t, "plan none"), "the plan is empty")
	}
	require.ErrorContains(t, r.Err(), "3 calls of its panel in a row have failed", "so is an answer that is none")
}
