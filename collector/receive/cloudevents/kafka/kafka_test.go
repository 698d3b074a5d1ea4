package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/servertest"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents"
)

const (
	data       = `{"action":"login"}`
	structured = `{"specversion":"1.0","type":"dev.flowgauge.activity.v1","source":"/crm","id":"%s","time":"2024-05-31T10:00:00Z","data":` + data + `}`
)

// binary is a record in binary mode.
func binary(id, value string, more ...string) *kgo.Record {
	r := &kgo.Record{Value: []byte(value)}
	for i, all := 0, append([]string{
		"ce_specversion", "1.0", "ce_type", "dev.flowgauge.activity.v1", "ce_source", "/crm", "ce_id", id, "ce_time", "2024-05-31T10:00:00Z", "content-type", "application/json",
	}, more...); i < len(all); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: all[i], Value: []byte(all[i+1])})
	}
	return r
}

func text(value, contentType string) *kgo.Record {
	r := &kgo.Record{Value: []byte(value)}
	if contentType != "" {
		r.Headers = []kgo.RecordHeader{{Key: "content-type", Value: []byte(contentType)}}
	}
	return r
}

// sink is a queue that keeps everything and answers as it is told.
type sink struct {
	mu      sync.Mutex
	records [][]byte
	before  func(ctx context.Context, call int) error // decides what is kept
	calls   int
}

func (s *sink) Append(ctx context.Context, records [][]byte) error {
	s.mu.Lock()
	s.calls++
	call := s.calls
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(ctx, call); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, records...)
	return nil
}

// ids returns how often each activity was kept, and the codes of dead letters.
func (s *sink) ids(t testing.TB) (ids map[string]int, letters []event.DeadLetter) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	ids = map[string]int{}
	for _, record := range s.records {
		switch event.RecordType(record) {
		case event.RecordEvent:
			var e event.Event
			require.NoError(t, event.DecodeBinary(record, &e))
			require.Equal(t, "acme", e.Tenant)
			ids[e.ID]++
		case event.RecordFragment:
			f, err := event.DecodeFragment(record)
			require.NoError(t, err)
			ids["fragment "+f.Run]++
		case event.RecordDeadLetter:
			var l event.DeadLetter
			require.NoError(t, event.DecodeDeadLetter(record, &l))
			letters = append(letters, l)
		}
	}
	return ids, letters
}

type rig struct {
	t     *testing.T
	topic string
	addr  string
	admin *kadm.Client
	*kgo.Client
}

func newRig(t *testing.T, partitions int) *rig {
	broker := servertest.Kafka(t)
	r := &rig{t: t, topic: broker.Topic(t, partitions, nil), addr: broker.Addr()}
	var err error
	r.Client, err = kgo.NewClient(kgo.SeedBrokers(r.addr), kgo.DefaultProduceTopic(r.topic))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	r.admin = kadm.NewClient(r.Client)
	return r
}

func (r *rig) produce(records ...*kgo.Record) {
	r.t.Helper()
	require.NoError(r.t, r.ProduceSync(r.t.Context(), records...).FirstErr())
}

// read runs a reader until stop.
func (r *rig) read(q receive.Appender) (stop func()) {
	r.t.Helper()
	d, err := cloudevents.NewDecoder(nil, []string{"cdevents"})
	require.NoError(r.t, err)
	reader, err := New(Config{CloudKafka: config.CloudKafka{Brokers: []string{r.addr}, Topic: r.topic, Group: r.topic, Tenant: "acme"}, Decoder: d, Queue: q})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- reader.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(r.t, <-ended)
	}
}

// committed is how many records of the topic the group has committed. A broker that
// has just begun may not know yet.
func (r *rig) committed() (n int64, err error) {
	offsets, err := r.admin.FetchOffsets(r.t.Context(), r.topic)
	offsets.Each(func(o kadm.OffsetResponse) { n += max(0, o.At) })
	return n, err
}

func (r *rig) until(want int64) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		n, err := r.committed()
		return err == nil && n == want
	}, 3*time.Minute, 20*time.Millisecond)
}

func TestModes(t *testing.T) {
	r := newRig(t, 1)
	q := &sink{}
	records := []*kgo.Record{
		text(fmt.Sprintf(structured, "s1"), "application/cloudevents+json; charset=UTF-8"),
		text(fmt.Sprintf(structured, "s2"), "Application/CloudEvents+JSON"),
		text(fmt.Sprintf(structured, "s3"), ""),
		binary("b1", data),
		binary("b2 %20 é", data),
		text("["+fmt.Sprintf(structured, "l1")+","+fmt.Sprintf(structured, "l2")+"]", "application/cloudevents-batch+json"),
		text(strings.Replace(fmt.Sprintf(structured, "c"), `"dev.flowgauge.activity.v1"`, `"dev.cdevents.pipelinerun.started.0.3.0"`, 1), "application/cloudevents+json"),
		text("", ""), // a tombstone
		{Key: []byte("gone")},
		// dead letters
		binary("x1", "<a/>", "content-type", "application/xml"),
		binary("x2", data, "ce_type", "com.example.x"),
		binary("x3", data, "ce_extension", "\xff"),
		binary("x4", data, "ce_datacontenttype", "application/json"),
		text("{", "application/cloudevents+json"),
		text("\x00\x01", "application/cloudevents+avro"),
		text("hello", "text/plain"),
	}
	r.produce(records...)
	stop := r.read(q)
	r.until(int64(len(records)))
	stop()
	ids, letters := q.ids(t)
	require.Equal(t, map[string]int{"/crm s1": 1, "/crm s2": 1, "/crm s3": 1, "/crm b1": 1, "/crm b2 %20 é": 1, "/crm l1": 1, "/crm l2": 1}, ids)
	var codes []string
	for _, l := range letters {
		codes = append(codes, string(l.Code)+" "+l.Field)
		require.Equal(t, "acme kafka:"+r.topic+" "+cloudevents.Path+" application/cloudevents+json", l.Tenant+" "+l.KeyID+" "+l.Path+" "+l.ContentType)
	}
	require.Equal(t, []string{
		"missing_field subject.id",
		"unsupported_data datacontenttype", "duplicate_field type", "invalid_attribute extension", "invalid_attribute datacontenttype",
		"malformed_json ", "unsupported_media_type ", "missing_field specversion",
	}, codes)
	require.JSONEq(t, `{"datacontenttype":"text/plain","data_base64":"aGVsbG8="}`, string(letters[len(letters)-1].Payload))
}

// What is not durable is not committed, and comes again.
func TestAtLeastOnce(t *testing.T) {
	r := newRig(t, 1)
	for i := range 10 {
		r.produce(binary(strconv.Itoa(i), data))
	}
	// A collector that is stopped while its log is full.
	waiting := make(chan struct{})
	full := &sink{before: func(_ context.Context, call int) error {
		if call == 1 {
			close(waiting)
		}
		return fmt.Errorf("x: %w", queue.ErrFull)
	}}
	stop := r.read(full)
	<-waiting
	stop()
	r.until(0)

	// One whose log is full at first.
	q := &sink{before: func(_ context.Context, call int) error {
		if call == 1 {
			return queue.ErrFull
		}
		return nil
	}}
	stop = r.read(q)
	r.until(10)
	stop()
	ids, _ := q.ids(t)
	require.Len(t, ids, 10)
	for id, n := range ids {
		require.Equal(t, 1, n, id)
	}

	// One that starts anew reads on.
	r.produce(binary("10", data))
	stop = r.read(q)
	r.until(11)
	stop()
	ids, _ = q.ids(t)
	require.Len(t, ids, 11)
}

// Collectors of a group share the partitions; one that dies between append and commit
// leaves records that come again to another, with the same identities.
func TestGroup(t *testing.T) {
	const records = 2000
	r := newRig(t, 4)
	q := &sink{}
	dying, died := context.WithCancel(t.Context())
	defer died()
	dead := &sink{}
	var all []*kgo.Record
	for i := range records {
		record := binary(strconv.Itoa(i), data)
		record.Key = []byte(strconv.Itoa(i))
		all = append(all, record)
	}
	r.produce(all[:records/2]...)
	d, err := cloudevents.NewDecoder(nil, nil)
	require.NoError(t, err)
	victim, err := New(Config{CloudKafka: config.CloudKafka{Brokers: []string{r.addr}, Topic: r.topic, Group: r.topic, Tenant: "acme"}, Decoder: d, Queue: dead})
	require.NoError(t, err)
	// It has appended, and its connections are gone before it commits.
	dead.before = func(context.Context, int) error {
		victim.Close()
		died()
		return nil
	}
	require.NoError(t, victim.Run(dying))
	r.until(0)
	lost, _ := dead.ids(t)
	require.NotEmpty(t, lost)

	stop1, stop2 := r.read(q), r.read(q)
	r.produce(all[records/2:]...)
	r.until(records)
	stop1()
	stop2()
	ids, _ := q.ids(t)
	require.Len(t, ids, records, "what the dead one had read came again")
}

func TestConfig(t *testing.T) {
	d, err := cloudevents.NewDecoder(nil, nil)
	require.NoError(t, err)
	for want, c := range map[string]Config{
		"needs a decoder":  {},
		"brokers is empty": {Decoder: d, Queue: &sink{}},
		"topic is empty":   {Decoder: d, Queue: &sink{}, CloudKafka: config.CloudKafka{Brokers: []string{"a:1"}}},
		"tenant is empty":  {Decoder: d, Queue: &sink{}, CloudKafka: config.CloudKafka{Brokers: []string{"a:1"}, Topic: "t"}},
	} {
		_, err := New(c)
		require.ErrorContains(t, err, want)
	}
	c := Config{Decoder: d, Queue: &sink{}, CloudKafka: config.CloudKafka{Brokers: []string{"a:1, b:2", "c:3"}, Topic: "t", Tenant: "acme"}}
	require.NoError(t, c.Validate())
	require.Equal(t, []string{"a:1", "b:2", "c:3"}, c.Brokers)
	require.Equal(t, DefaultGroup, c.Group)
}
