package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Config is what a Log needs.
type Config struct {
	Client *clickhouse.Client // may insert into audit_log and select from it
	// Required withholds an answer until its record is stored. Otherwise records are
	// stored within a second, and counted where they cannot be.
	Required   bool
	Logger     *slog.Logger          // nil is silent
	Registerer prometheus.Registerer // nil registers nothing
}

// The bounds of what waits in memory.
const (
	maxWaiting = 20_000
	maxBatch   = 1_000
	// Bytes of records: of those of one insert, and of those that wait.
	maxBatchBytes   = 4 << 20
	maxWaitingBytes = 64 << 20
	linger          = 250 * time.Millisecond
	// patience is how long a required record may take.
	patience = 5 * time.Second
)

// ErrFull says that records wait for the database and no more can.
var ErrFull = errors.New("the audit log cannot be written at present")

// Log writes records. Start it with Run.
type Log struct {
	cfg Config
	id  string // of this process's chains

	mu      sync.Mutex
	waiting []pending
	size    int               // bytes of waiting
	dropped map[string]uint64 // by tenant, since the last record
	wake    chan struct{}

	lost prometheus.Counter

	writing sync.Mutex
	chains  map[string]*chain // by tenant
}

type pending struct {
	record Record
	size   int           // of its text, about
	done   chan struct{} // closed when it is stored; nil: nobody waits
}

// chain is where a tenant's chain of this process is.
type chain struct {
	sequence uint64
	head     hash
}

// New returns a log.
func New(cfg Config) (*Log, error) {
	if cfg.Client == nil {
		return nil, errors.New("audit: no ClickHouse client")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("name an audit chain: %w", err)
	}
	l := &Log{cfg: cfg, id: hex.EncodeToString(id[:]), dropped: map[string]uint64{}, wake: make(chan struct{}, 1), chains: map[string]*chain{}}
	return l, l.measure()
}

// measure registers what is to be watched.
func (l *Log) measure() error {
	l.lost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "flowgauge_audit_dropped_total",
		Help: "Readings of data whose audit record could not be kept: with audit.required their answers were withheld.",
	})
	if l.cfg.Registerer == nil {
		return nil
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "flowgauge_audit_waiting_records",
		Help: "Audit records that wait in memory for the database.",
	}, func() float64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return float64(len(l.waiting))
	})
	for _, c := range []prometheus.Collector{l.lost, waiting} {
		if err := l.cfg.Registerer.Register(c); err != nil {
			return fmt.Errorf("audit: register metrics: %w", err)
		}
	}
	return nil
}

// Add takes a record over. With Required it returns when the record is stored, or
// with an error.
func (l *Log) Add(ctx context.Context, r Record) error {
	r.At = r.At.UTC().Truncate(time.Millisecond)
	p := pending{size: shorten(&r)}
	p.record = r
	if l.cfg.Required {
		p.done = make(chan struct{})
	}
	l.mu.Lock()
	if len(l.waiting) >= maxWaiting || l.size+p.size > maxWaitingBytes {
		l.dropped[r.Tenant]++
		l.lost.Inc()
		l.mu.Unlock()
		if l.cfg.Required {
			return ErrFull
		}
		return nil
	}
	l.waiting, l.size = append(l.waiting, p), l.size+p.size
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	if p.done == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrFull, ctx.Err())
	}
}

// Dropped returns how many readings were not kept and are not told of yet.
func (l *Log) Dropped() (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.dropped {
		n += of
	}
	return n
}

// Run writes records until ctx ends, and then what is left.
func (l *Log) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			final, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			if err := l.Flush(final); err != nil {
				l.cfg.Logger.Error("audit records are lost with this process", "error", err)
			}
			return
		case <-l.wake:
		}
		if !l.cfg.Required { // others may come; required ones gather while a batch is written
			select {
			case <-ctx.Done():
				continue
			case <-time.After(linger):
			}
		}
		bounded, cancel := context.WithTimeout(ctx, patience)
		err := l.Flush(bounded)
		cancel()
		if err != nil && ctx.Err() == nil {
			l.cfg.Logger.Warn("audit records wait for the database", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			select {
			case l.wake <- struct{}{}:
			default:
			}
		}
	}
}

// Flush writes all that waits.
func (l *Log) Flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	for {
		l.mu.Lock()
		batch := next(l.waiting)
		dropped := map[string]uint64{}
		for tenant, n := range l.dropped {
			dropped[tenant] = n
		}
		l.mu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		if err := l.write(ctx, batch, dropped); err != nil {
			return err
		}
		l.mu.Lock()
		l.waiting = append([]pending(nil), l.waiting[len(batch):]...)
		for _, p := range batch {
			l.size -= p.size
			// What was told of is not told again.
			l.dropped[p.record.Tenant] -= min(l.dropped[p.record.Tenant], dropped[p.record.Tenant])
			delete(dropped, p.record.Tenant)
		}
		l.mu.Unlock()
		for _, p := range batch {
			if p.done != nil {
				close(p.done)
			}
		}
	}
}

// next returns the records of the next insert: one at least, and no more than the
// database takes at once.
func next(waiting []pending) []pending {
	n, size := 0, 0
	for n < min(maxBatch, len(waiting)) && (n == 0 || size+waiting[n].size <= maxBatchBytes) {
		size += waiting[n].size
		n++
	}
	return waiting[:n]
}

// write stores a batch in one insert. Its records get their places in the chains when
// they are stored: a batch whose answer was lost is written again, word for word.
func (l *Log) write(ctx context.Context, batch []pending, dropped map[string]uint64) error {
	heads := map[string]chain{}
	rows := newRows()
	for i := range batch {
		r := batch[i].record
		c, ok := heads[r.Tenant]
		if !ok {
			if known := l.chains[r.Tenant]; known != nil {
				c = *known
			} else {
				head, previous, err := newest(ctx, l.cfg.Client, r.Tenant)
				if err != nil {
					return fmt.Errorf("find the head of the audit chain: %w", err)
				}
				c.head, r.Continues = previous, head
			}
			r.Dropped = dropped[r.Tenant]
		}
		previous := c.head
		c.sequence++
		r.Chain, r.Sequence = l.id, c.sequence
		text, sum, err := seal(previous, &r)
		if err != nil {
			return err
		}
		c.head = sum
		heads[r.Tenant] = c
		rows.add(&r, previous, sum, text)
	}
	if err := l.cfg.Client.Insert(ctx, "audit_log", rows.input()); err != nil {
		return fmt.Errorf("store audit records: %w", err)
	}
	for tenant, c := range heads {
		if l.chains[tenant] == nil {
			l.cfg.Logger.Info("an audit chain was opened", "tenant", tenant, "chain", l.id)
		}
		l.chains[tenant] = &c
	}
	return nil
}

// rows are records as columns.
type rows struct {
	tenant, chain, record proto.ColStr
	sequence              proto.ColUInt64
	at                    *proto.ColDateTime64
	previous, hash        proto.ColFixedStr
}

func newRows() *rows {
	return &rows{
		at:       new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli),
		previous: proto.ColFixedStr{Size: len(hash{})}, hash: proto.ColFixedStr{Size: len(hash{})},
	}
}

func (r *rows) add(rec *Record, previous, sum hash, text string) {
	r.tenant.Append(rec.Tenant)
	r.chain.Append(rec.Chain)
	r.sequence.Append(rec.Sequence)
	r.at.Append(rec.At)
	r.previous.Append(previous[:])
	r.hash.Append(sum[:])
	r.record.Append(text)
}

func (r *rows) input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &r.tenant},
		{Name: "chain", Data: &r.chain},
		{Name: "sequence", Data: &r.sequence},
		{Name: "at", Data: r.at},
		{Name: "previous", Data: &r.previous},
		{Name: "hash", Data: &r.hash},
		{Name: "record", Data: &r.record},
	}
}

func (r *rows) results() proto.Results {
	var out proto.Results
	for _, c := range r.input() {
		out = append(out, proto.ResultColumn{Name: c.Name, Data: c.Data.(proto.ColResult)}) //nolint:forcetypeassert // every column is both
	}
	return out
}
