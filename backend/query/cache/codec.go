package cache

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/klauspost/compress/zstd"

	"github.com/flowgauge/flowgauge/backend/query"
)

// A value in Redis is this, then zstd (with a checksum) of the length of the head, the
// head as JSON, and the frame as Arrow. The number changes with what either means.
var magic = []byte("flowgauge answer 1\n")

// mostBytes bounds a value, and what a value that is not ours may unpack to.
const (
	mostBytes    = 4 << 20
	mostUnpacked = 64 << 20
)

type head struct {
	Key   string              `json:"key"`
	State query.State         `json:"state"`
	Until time.Time           `json:"until"`
	Meta  query.Meta          `json:"meta"`
	Exact map[string][]string `json:"exact"`
}

// codec turns entries into values and back.
type codec struct {
	packer   *zstd.Encoder
	unpacker *zstd.Decoder
}

func newCodec() (*codec, error) {
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostUnpacked))
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &codec{packer, unpacker}, nil
}

func (c *codec) encode(e *entry) ([]byte, error) {
	first, err := json.Marshal(head{e.key, e.state, e.until, e.result.Meta, e.result.Exact})
	if err != nil {
		return nil, err
	}
	frame, err := e.result.Frame.MarshalArrow()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 0, 4+len(first)+len(frame))
	raw = binary.LittleEndian.AppendUint32(raw, uint32(len(first)))
	raw = append(append(raw, first...), frame...)
	return c.packer.EncodeAll(raw, bytes.Clone(magic)), nil
}

var errGarbage = errors.New("not an answer of ours")

// decode returns the entry that a value holds. One that lies under another's key is
// an error: its rows may be those of somebody else.
func (c *codec) decode(value []byte, key string) (e *entry, err error) {
	packed, ours := bytes.CutPrefix(value, magic)
	if !ours {
		return nil, errGarbage
	}
	raw, err := c.unpacker.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbage, err)
	}
	if len(raw) < 4 || uint64(len(raw)-4) < uint64(binary.LittleEndian.Uint32(raw)) {
		return nil, errGarbage
	}
	n := binary.LittleEndian.Uint32(raw)
	var h head
	if err := json.Unmarshal(raw[4:4+n], &h); err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbage, err)
	}
	if h.Key != key {
		return nil, fmt.Errorf("%w: it belongs to another question", errGarbage)
	}
	// The reader of Arrow was not written for bytes that somebody made up.
	defer func() {
		if r := recover(); r != nil {
			e, err = nil, fmt.Errorf("%w: %v", errGarbage, r)
		}
	}()
	frame, err := data.UnmarshalArrowFrame(raw[4+n:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbage, err)
	}
	res := &query.Result{Frame: frame, Exact: h.Exact, Meta: h.Meta}
	if err := restoreZone(res); err != nil {
		return nil, err
	}
	if res.Exact == nil {
		res.Exact = map[string][]string{}
	}
	return &entry{key: key, result: res, state: h.State, until: h.Until}, nil
}

// restoreZone gives times the zone of the question, which Arrow and JSON do not keep.
func restoreZone(res *query.Result) error {
	zone, err := time.LoadLocation(res.Meta.TimeZone)
	if err != nil {
		return fmt.Errorf("%w: %w", errGarbage, err)
	}
	res.Meta.From, res.Meta.To = res.Meta.From.In(zone), res.Meta.To.In(zone)
	for _, f := range res.Frame.Fields {
		if f.Type() != data.FieldTypeTime {
			continue
		}
		for row := range f.Len() {
			f.Set(row, f.At(row).(time.Time).In(zone))
		}
	}
	return nil
}
