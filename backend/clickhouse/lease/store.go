package lease

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Stamp is an expression that yields the database's time in microseconds, and
// more than every number that a leader of the named lease has allocated. The name
// is the program's own, never a caller's.
func Stamp(name string) string {
	return "greatest(toUInt64(toUnixTimestamp64Micro(now64(6))), ifNull((SELECT max(stamp) + 1 FROM leases WHERE name = '" + name + "'), 0))"
}

// Consistent are the settings with which a statement that reads leases sees all
// that was written before, also on a cluster; on one node they change nothing.
var Consistent = map[string]string{"select_sequential_consistency": "1"}

// writeSettings make a row visible to every later read before it is acknowledged.
// The quorum is a number: "auto" would wait in vain where a shard has one replica.
func writeSettings(ctx context.Context, client *clickhouse.Client) (map[string]string, error) {
	quorum, err := client.Quorum(ctx)
	if err != nil || quorum == 0 {
		return nil, err
	}
	return map[string]string{"insert_quorum": strconv.Itoa(quorum), "insert_quorum_parallel": "0"}, nil
}

// Now returns what Stamp evaluates to.
func Now(ctx context.Context, client *clickhouse.Client, name string) (uint64, error) {
	var now proto.ColUInt64
	err := client.Do(ctx, clickhouse.Query{
		SQL:      "SELECT " + Stamp(name) + " AS now",
		Settings: Consistent,
		Result:   proto.Results{{Name: "now", Data: &now}},
	})
	if err != nil {
		return 0, fmt.Errorf("read the time of lease %s: %w", name, err)
	}
	return now.Row(0), nil
}

// claim is one attempt of a process to lead a term.
type claim struct {
	id       string
	holder   string
	beat     uint64 // counts the writes of the claim
	seen     uint64 // the server's time of the last of them
	released bool
}

// state is what the table says about the last term.
type state struct {
	term   uint64 // 0 when there was none
	claims []claim
	stamp  uint64 // the highest ever
	now    uint64
}

type beats struct{ term, sum uint64 }

// beats changes whenever the last term shows a sign of life.
func (s state) beats() beats {
	b := beats{term: s.term}
	for _, c := range s.claims {
		b.sum += c.beat
	}
	return b
}

func (s state) holder() string {
	if len(s.claims) == 0 {
		return ""
	}
	return s.claims[0].holder
}

func (l *Lease) read(ctx context.Context) (state, error) {
	var (
		id, holder                    proto.ColStr
		term, beat, seen, stamp, tnow proto.ColUInt64
		released                      proto.ColUInt8
		s                             state
	)
	err := l.cfg.Client.Do(ctx, clickhouse.Query{
		SQL: `SELECT l.claim AS claim, max(l.term) AS term, argMax(l.holder, l.beat) AS holder, max(l.beat) AS beats, max(l.seen_at) AS seen,
    max(l.released) AS released, max(l.stamp) AS stamps, toUInt64(toUnixTimestamp64Micro(now64(6))) AS now
FROM leases AS l WHERE l.name = {name:String} GROUP BY l.claim ORDER BY term`,
		Params:   map[string]any{"name": l.cfg.Name},
		Settings: Consistent,
		Result: proto.Results{
			{Name: "claim", Data: &id},
			{Name: "term", Data: &term},
			{Name: "holder", Data: &holder},
			{Name: "beats", Data: &beat},
			{Name: "seen", Data: &seen},
			{Name: "released", Data: &released},
			{Name: "stamps", Data: &stamp},
			{Name: "now", Data: &tnow},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range term.Rows() {
				if t := term.Row(i); t > s.term {
					s.term, s.claims = t, nil
				}
				s.stamp, s.now = max(s.stamp, stamp.Row(i)), tnow.Row(i)
				s.claims = append(s.claims, claim{
					id: id.Row(i), holder: holder.Row(i), beat: beat.Row(i), seen: seen.Row(i), released: released.Row(i) != 0,
				})
			}
			return nil
		},
	})
	if err != nil {
		return state{}, fmt.Errorf("read lease %s: %w", l.cfg.Name, err)
	}
	return s, nil
}

// write adds a row of a claim, which replaces its earlier ones.
func (l *Lease) write(ctx context.Context, term uint64, id string, beat, stamp uint64, released bool) error {
	settings, err := writeSettings(ctx, l.cfg.Client)
	if err != nil {
		return fmt.Errorf("write lease %s: %w", l.cfg.Name, err)
	}
	err = l.cfg.Client.Do(ctx, clickhouse.Query{
		SQL: `INSERT INTO leases (name, term, claim, holder, beat, stamp, released, seen_at)
SELECT {name:String}, {term:UInt64}, {claim:String}, {holder:String}, {beat:UInt64}, {stamp:UInt64}, {released:Bool}, toUInt64(toUnixTimestamp64Micro(now64(6)))`,
		Params: map[string]any{
			"name": l.cfg.Name, "term": term, "claim": id, "holder": l.cfg.Holder, "beat": beat, "stamp": stamp, "released": released,
		},
		Settings: settings,
	})
	if err != nil {
		return fmt.Errorf("write lease %s: %w", l.cfg.Name, err)
	}
	return nil
}
