package app_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowgauge/flowgauge/backend/servertest"
)

// What comes as a trace, as a CloudEvent and from a topic is counted by the program.
func TestStandards(t *testing.T) {
	broker := servertest.Kafka(t)
	topic := broker.Topic(t, 2, nil)
	for name, value := range map[string]string{"BROKERS": broker.Addr(), "TOPIC": topic, "TENANT": "default"} {
		t.Setenv("FLOWGAUGE_SOURCES__CLOUDEVENTS__KAFKA__"+name, value)
	}
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Hour)
	run := func(id string) string {
		return `{"specversion":"1.0","type":"dev.flowgauge.execution.v1","source":"/ci","id":"` + id + `","time":"` + at.Format(time.RFC3339) + `",
			"data":{"workflowId":"of ` + id + `","status":"completed","duration":2000}}`
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.DefaultProduceTopic(topic))
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Value: []byte(run("kafka"))}).FirstErr())

	s := up(t, t.TempDir())
	status, body := s.call(http.MethodPost, "/api/v1/cloudevents", "application/cloudevents+json", strings.NewReader(run("http")))
	require.Equal(t, http.StatusAccepted, status, string(body))
	nanos := func(seconds int) string {
		return strconv.FormatInt(at.Add(time.Duration(seconds)*time.Second).UnixNano(), 10)
	}
	trace := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","name":"workflow.execute",
		"startTimeUnixNano":"` + nanos(0) + `","endTimeUnixNano":"` + nanos(3) + `","attributes":[{"key":"n8n.workflow.id","value":{"stringValue":"of a trace"}}]}]}]}]}`
	for _, path := range []string{"/v1/traces", "/api/v1/otlp/v1/traces"} {
		status, body = s.call(http.MethodPost, path, "application/json", strings.NewReader(trace))
		require.Equal(t, http.StatusOK, status, string(body))
	}
	require.Eventually(t, func() bool {
		_, body := s.call(http.MethodGet, "/metrics", "", nil)
		return strings.Contains(string(body), `flowgauge_cloudevents_kafka_records_total{outcome="accepted"} 1`)
	}, 3*time.Minute, 100*time.Millisecond)
	s.settle()
	got := map[string]string{}
	for _, r := range s.ask(`{"metrics":["executions","duration_avg"],"groupBy":["workflow"],"from":"` + at.Format(time.RFC3339) + `","to":"` + at.Add(time.Hour).Format(time.RFC3339) + `"}`) {
		got[r.text("workflow")] = r.text("executions") + " of " + r.text("duration_avg")
	}
	require.Equal(t, map[string]string{"of kafka": "1 of 2000", "of http": "1 of 2000", "of a trace": "1 of 3000"}, got)
}
