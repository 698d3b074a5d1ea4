package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// counted is how far a log was counted: the highest version of each tenant in each
// partition. What is not in it was not counted from the version on that was asked for.
type counted map[tenantPart]queue.Version

type tenantPart struct {
	tenant    string
	partition int32
}

// count adds what the batch holds to ingest_log, once for every record, however
// often it comes out of the log:
//
//   - It is called when the events are stored and before the log forgets them, so
//     that a crash in between repeats both.
//   - How far the log was counted is read now and not at the start: whoever counted
//     a part of this batch did it before, be it this process in an attempt whose
//     answer was lost, or the one that had the partition before.
//   - Records up to there are left out, wherever this batch is cut.
//   - An attempt that is still under way in the server is recognised by its token
//     when it is repeated.
//
// Batches are counted in the order in which they came out of the log, and two sinks
// never read one partition at the same time; the log sees to the latter.
func (s *Sink) count(ctx context.Context, b *batch) error {
	spans := b.counts.spans()
	before, err := s.counted(ctx, spans)
	if err != nil {
		return err
	}
	b.counts.sum(before, time.Now())
	input := b.counts.input(s.cfg.Log)
	if input[0].Data.Rows() == 0 {
		return nil
	}
	err = s.cfg.Client.Do(ctx, clickhouse.Query{
		SQL: input.Into("ingest_log"), Input: input,
		Settings: map[string]string{"insert_deduplicate": "1", "insert_deduplication_token": token(s.cfg.Log, spans)},
	})
	if err != nil {
		return fmt.Errorf("insert into ingest_log: %w", err)
	}
	return nil
}

// counted reads how far the log was counted, as far as it matters to records of
// these spans. A row's minute is that of its last version, which spares reading
// older ones.
func (s *Sink) counted(ctx context.Context, spans map[int32]span) (counted, error) {
	var from queue.Version
	for _, s := range spans {
		if from == 0 || s.first < from {
			from = s.first
		}
	}
	var (
		tenant    proto.ColStr
		partition proto.ColInt32
		last      proto.ColUInt64
		out       = counted{}
	)
	err := s.cfg.Client.Do(ctx, clickhouse.Query{
		SQL: `SELECT tenant, partition, toUInt64(max(last)) AS counted
FROM ingest_log
WHERE log = {log:String} AND last >= {from:UInt64} AND minute >= toStartOfMinute(toDateTime({second:Int64}, 'UTC'))
GROUP BY tenant, partition`,
		Params: map[string]any{"log": s.cfg.Log, "from": uint64(from), "second": from.UnixMilli() / 1000},
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "partition", Data: &partition}, {Name: "counted", Data: &last}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range last.Rows() {
				out[tenantPart{tenant.Row(i), partition.Row(i)}] = queue.Version(last.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read how far the log was counted: %w", err)
	}
	return out, nil
}

// place is where a record lies in its log.
type place struct {
	partition int32
	version   queue.Version
	// part is which of the rows that were made with it is meant, "" if the record is.
	part string
}

func placeOf(r queue.Record) place { return place{partition: r.Partition, version: r.Version} }
