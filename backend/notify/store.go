package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// The states of a delivery. A higher one stands.
const (
	waits     = 0
	delivered = 1
	givenUp   = 2
)

// mostTaken is how many of a tenant's messages are read at once.
const mostTaken = 20

// A delivery is a message on its way to one notifier.
type delivery struct {
	Notifier string
	Message  *contractv1.NotifyRequest
	Found    time.Time
	Expires  time.Time // it is tried until then
}

func (d *delivery) key() string { return d.Message.GetTenantId() + "\x00" + d.Message.GetId() }

// store keeps deliveries in the database.
type store struct{ client *clickhouse.Client }

// known returns which deliveries of messages there are, as notifier and id.
func (s store) known(ctx context.Context, tenant string, ids []string) (map[[2]string]bool, error) {
	var id, notifier proto.ColStr
	out := map[[2]string]bool{}
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT id, notifier FROM notifications FINAL WHERE tenant = {tenant:String} AND id IN {ids:Array(String)}",
		Params: map[string]any{"tenant": tenant, "ids": ids},
		Result: proto.Results{{Name: "id", Data: &id}, {Name: "notifier", Data: &notifier}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id.Rows() {
				out[[2]string{notifier.Row(i), id.Row(i)}] = true
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read what was told: %w", err)
	}
	return out, nil
}

// A backlog is how much of a tenant's is to be delivered to a notifier.
type backlog struct {
	tenant   string
	messages int
}

// tenants returns those with something to be delivered to a notifier, in their order.
func (s store) tenants(ctx context.Context, notifier string) ([]backlog, error) {
	var tenant proto.ColStr
	var messages proto.ColUInt64
	var out []backlog
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    fmt.Sprintf("SELECT tenant, count() AS messages FROM notifications FINAL WHERE notifier = {notifier:String} AND state = %d GROUP BY tenant ORDER BY tenant", waits),
		Params: map[string]any{"notifier": notifier},
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "messages", Data: &messages}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range tenant.Rows() {
				out = append(out, backlog{tenant.Row(i), int(messages.Row(i))})
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read whose messages are to be delivered: %w", err)
	}
	return out, nil
}

// waiting returns some of what is to be delivered to a notifier for a tenant: the oldest first,
// then what is tried again; nothing that it is too early for; and what was not tried yet only
// where untried says so.
func (s store) waiting(ctx context.Context, notifier, tenant string, early, again []string, untried bool) ([]delivery, error) {
	var message proto.ColStr
	found, expires := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli), new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
	var out []delivery
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: fmt.Sprintf(`SELECT message, found_at, expires_at FROM notifications FINAL
WHERE tenant = {tenant:String} AND notifier = {notifier:String} AND state = %d AND NOT has({early:Array(String)}, id) AND ({untried:Bool} OR has({again:Array(String)}, id))
ORDER BY has({again:Array(String)}, id), found_at, id LIMIT %d`, waits, mostTaken),
		Params: map[string]any{"tenant": tenant, "notifier": notifier, "early": early, "again": again, "untried": untried},
		Result: proto.Results{{Name: "message", Data: &message}, {Name: "found_at", Data: found}, {Name: "expires_at", Data: expires}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range message.Rows() {
				d := delivery{Notifier: notifier, Message: &contractv1.NotifyRequest{}, Found: found.Row(i), Expires: expires.Row(i)}
				if err := protojson.Unmarshal(message.RowBytes(i), d.Message); err != nil {
					return fmt.Errorf("read a message: %w", err)
				}
				out = append(out, d)
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read what is to be delivered: %w", err)
	}
	return out, nil
}

// put stores how deliveries of one tenant's messages stand, all of them or none.
func (s store) put(ctx context.Context, tenant string, state int, all ...delivery) error {
	notifiers, ids, messages := make([]string, len(all)), make([]string, len(all)), make([]string, len(all))
	found, expires := make([]int64, len(all)), make([]int64, len(all))
	for i, d := range all {
		text, err := protojson.Marshal(d.Message)
		if err != nil {
			return fmt.Errorf("write message %s: %w", d.Message.GetId(), err)
		}
		notifiers[i], ids[i], messages[i] = d.Notifier, d.Message.GetId(), string(text)
		found[i], expires[i] = d.Found.UnixMilli(), d.Expires.UnixMilli()
	}
	err := s.client.Exec(ctx, `INSERT INTO notifications (tenant, notifier, id, state, message, found_at, expires_at)
SELECT {tenant:String}, notifier, id, {state:UInt8}, message, fromUnixTimestamp64Milli(found, 'UTC'), fromUnixTimestamp64Milli(expires, 'UTC')
FROM (SELECT {notifiers:Array(String)} AS notifiers, {ids:Array(String)} AS ids, {messages:Array(String)} AS messages,
    {found:Array(Int64)} AS founds, {expires:Array(Int64)} AS ends)
ARRAY JOIN notifiers AS notifier, ids AS id, messages AS message, founds AS found, ends AS expires`,
		map[string]any{"tenant": tenant, "state": state, "notifiers": notifiers, "ids": ids, "messages": messages, "found": found, "expires": expires})
	if err != nil {
		return fmt.Errorf("store what is to be told: %w", err)
	}
	return nil
}
