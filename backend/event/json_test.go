package event_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

func TestMarshalledEventsAreTheSameWhenDecoded(t *testing.T) {
	for _, text := range []string{
		`{"kind":"execution","id":"e\n1","timestamp":"2026-03-01T10:00:00.123Z","workflowId":"w","workflowVersion":3,"userId":"u","triggerId":"t","triggerType":"cron","status":"failed","duration":12,"stepCount":2,"errorType":"timeout","errorMessage":"a \"b\" ü","metadata":{"a":[1,{"b":"c"}]},"queuedTime":"2026-03-01T09:59:59Z","attempt":2,"previousTimestamp":"2026-02-28T10:00:00Z","source":"n8n"}`,
		`{"kind":"execution","id":"e1","timestamp":"1970-01-01T00:00:00Z","workflowId":"w","status":"started"}`,
		`{"kind":"step","id":"s1","executionId":"e1","stepId":"fetch","stepType":"http","startTime":"2026-03-01T10:00:00Z","endTime":"2026-03-01T10:00:01.5Z","duration":1500,"status":"skipped","inputSize":1,"outputSize":2,"creditsUsed":"0.000000000000001","workflowId":"w","dependsOn":["a","b"]}`,
		`{"kind":"cost","id":"c1","timestamp":"2026-03-01T10:00:00Z","userId":"u","workflowId":"w","executionId":"e1","actionType":"llm","credits":"-12345678901234567890123.5","dollarAmount":0,"metadata":{}}`,
		`{"kind":"cost","id":"c2","timestamp":"2026-03-01T10:00:00Z","actionType":"llm","credits":1}`,
		`{"kind":"activity","id":"a1","userId":"u","timestamp":"2026-03-01T10:00:00Z","sessionId":"s","action":"login","resource":"app","resourceId":"1","duration":9,"metadata":{"x":"<&>"}}`,
	} {
		decode := func(text []byte) (out event.Event) {
			fault := event.Decode(text, event.FormatJSON, event.Options{Tenant: "acme"}, func(_ int, _ []byte, e *event.Event, fault *event.Error) bool {
				require.Nil(t, fault, "%s", text)
				out = *e
				out.DependsOn = slices.Clone(e.DependsOn)
				return true
			})
			require.Nil(t, fault, "%s", text)
			return out
		}
		want := decode([]byte(text))
		again, err := event.MarshalJSON(&want)
		require.NoError(t, err)
		got := decode(again)
		if len(want.DependsOn) == 0 {
			want.DependsOn, got.DependsOn = nil, nil
		}
		require.Equal(t, want, got, "%s", again)
	}
}
