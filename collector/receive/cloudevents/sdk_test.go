package cloudevents

import (
	"context"
	"net/http"
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	sdkhttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
)

func sdkEvent(t testing.TB, id string) sdk.Event {
	t.Helper()
	e := sdk.NewEvent()
	e.SetID(id)
	e.SetType("dev.flowgauge.step.v1")
	e.SetSource("https://ci.example/runs?a=%20b")
	e.SetSubject("a subject, \"quoted\" 100% é")
	e.SetTime(time.UnixMilli(at))
	e.SetExtension("tracestate", "a=b")
	e.SetExtension("number", 5)
	require.NoError(t, e.SetData(sdk.ApplicationJSON, map[string]any{"executionId": "e1", "stepId": "bauen", "status": "completed", "duration": 1500, "userId": "Zoë"}))
	require.NoError(t, e.Validate())
	return e
}

// The SDK of Go is the client here, as it is.
func TestSDK(t *testing.T) {
	e := serve(t, config.CloudEvents{})
	client, err := sdk.NewClientHTTP(sdk.WithTarget(e.URL+Path), sdkhttp.WithHeader("Authorization", "Bearer "+receivetest.Key))
	require.NoError(t, err)
	want := event.Event{
		Kind: event.KindStep, Status: event.StatusCompleted, Tenant: "acme", Source: "https://ci.example/runs?a=%20b", ExecutionID: "e1", StepID: "bauen", UserID: "Zoë",
		Time: at, EndTime: at + 1500, Duration: 1500, PreviousTime: event.NoTime, QueuedTime: event.NoTime,
	}
	for mode, with := range map[string]func(context.Context) context.Context{
		"structured": binding.WithForceStructured, "binary": binding.WithForceBinary,
	} {
		t.Run(mode, func(t *testing.T) {
			result := client.Send(with(t.Context()), sdkEvent(t, "id of "+mode+" 50% é"))
			require.True(t, sdk.IsACK(result), "%v", result)
			stored := e.Stored()
			require.Len(t, stored.Events, 1)
			want.ID = want.Source + " id of " + mode + " 50% é"
			require.Equal(t, want, stored.Events[0])
			bad := sdkEvent(t, "x")
			bad.SetType("com.example.unknown")
			result = client.Send(with(t.Context()), bad)
			require.False(t, sdk.IsACK(result))
			var status *sdkhttp.Result
			require.True(t, sdk.ResultAs(result, &status))
			require.Equal(t, http.StatusBadRequest, status.StatusCode)
			require.Len(t, e.Stored().Letters, 1)
		})
	}
	t.Run("batch", func(t *testing.T) {
		req, err := sdkhttp.NewHTTPRequestFromEvents(t.Context(), e.URL+Path, []sdk.Event{sdkEvent(t, "1"), sdkEvent(t, "2"), sdkEvent(t, "1")})
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+receivetest.Key)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusAccepted, res.StatusCode)
		require.Len(t, e.Stored().Events, 2)
	})
}

// taking is a queue that takes everything.
type taking struct{}

func (taking) Append(context.Context, [][]byte) error { return nil }

var _ receive.Appender = taking{}
