package deadletter

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/sink"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// rig is a collector: endpoint, log, sink and database, all real.
type rig struct {
	t        *testing.T
	client   *clickhouse.Client
	log      *wal.Log
	router   *gin.Engine
	store    *Store
	replayer *Replayer
	limit    receive.Limit
	enrich   sink.Enrich
	scope    Scope
	clock    time.Time
}

func newRig(t *testing.T) *rig {
	gin.SetMode(gin.ReleaseMode)
	r := &rig{t: t, client: schematest.Client(t), router: gin.New(), clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	r.log, err = wal.New(wal.Options{Dir: t.TempDir(), Now: func() time.Time { return r.clock }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.log.Close()) })
	receiver, err := receive.New(receive.Config{
		Queue: r.log,
		Auth: func(req *http.Request) (receive.Principal, error) {
			key := req.Header.Get("Authorization")
			if key == "" {
				return receive.Principal{}, receive.ErrUnauthenticated
			}
			return receive.Principal{Tenant: key, KeyID: "key-of-" + key}, nil
		},
		Limit: func(ctx context.Context, who receive.Principal, events int) (time.Duration, error) {
			if r.limit == nil {
				return 0, nil
			}
			return r.limit(ctx, who, events)
		},
	})
	require.NoError(t, err)
	receiver.Register(r.router)
	r.use(r.client)
	r.scope, err = ScopeOf(access.Principal{Tenant: "acme", Role: access.RoleAdmin, KeyID: "admin"})
	require.NoError(t, err)
	return r
}

func (r *rig) use(writer Database) {
	var err error
	r.store, err = NewStore(r.client, writer)
	require.NoError(r.t, err)
	r.replayer, err = NewReplayer(Config{Store: r.store, Handler: r.router, Single: map[string]string{"/lists": receive.Path}})
	require.NoError(r.t, err)
}

// send posts lines of events a second after the last ones, and stores them.
func (r *rig) send(tenant string, lines ...string) {
	r.t.Helper()
	r.post(tenant, "application/x-ndjson", strings.Join(lines, "\n"))
	r.drain()
}

func (r *rig) post(tenant, contentType, body string) {
	r.t.Helper()
	r.clock = r.clock.Add(time.Second)
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, receive.Path, strings.NewReader(body))
	req.Header.Set("Authorization", tenant)
	req.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	r.router.ServeHTTP(w, req)
	require.Contains(r.t, []int{202, 207, 400}, w.Code, w.Body)
}

func (r *rig) drain() {
	r.t.Helper()
	r.run(r.log, func() bool { return r.log.Stats().Pending == 0 })
}

// drainAgain stores records as a sink does whose commit never arrives.
func (r *rig) drainAgain(records []queue.Record) {
	r.t.Helper()
	c := &forgetful{records: records}
	r.run(c, c.committed.Load)
}

func (r *rig) run(consumer queue.Consumer, done func() bool) {
	r.t.Helper()
	s, err := sink.New(sink.Config{Consumer: consumer, Client: r.client, Enrich: r.enrich, Linger: time.Millisecond})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(r.t, done, time.Minute, time.Millisecond)
	cancel()
	require.NoError(r.t, <-ended)
}

type forgetful struct {
	records   []queue.Record
	committed atomic.Bool
}

func (f *forgetful) Fetch(ctx context.Context, _ int) ([]queue.Record, error) {
	if f.records == nil {
		<-ctx.Done()
	}
	out := f.records
	f.records = nil
	return out, nil
}

func (f *forgetful) Commit(context.Context) error {
	f.committed.Store(true)
	return nil
}

func (r *rig) list(f Filter) []Letter {
	r.t.Helper()
	letters, next, err := r.store.List(r.t.Context(), r.scope, f, Page{Limit: 100, Payload: 1000})
	require.NoError(r.t, err)
	require.Empty(r.t, next)
	return letters
}

// events returns the ids of the costs that count.
func (r *rig) events() []string {
	r.t.Helper()
	var id proto.ColStr
	var out []string
	require.NoError(r.t, r.client.Do(r.t.Context(), clickhouse.Query{
		SQL: "SELECT id FROM costs FINAL ORDER BY id", Result: proto.Results{{Name: "id", Data: &id}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id.Rows() {
				out = append(out, id.Row(i))
			}
			return nil
		},
	}))
	return out
}

// failing is a database that cannot be written to.
type failing struct{ *clickhouse.Client }

func (failing) Insert(context.Context, string, ...proto.Input) error { return io.ErrUnexpectedEOF }

func cost(id, rest string) string {
	return `{"kind":"cost","id":"` + id + `","timestamp":"2026-03-01T10:00:00Z"` + rest + `}`
}
