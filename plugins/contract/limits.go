package contract

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// MaxBatch is the most events of one request, and what is said of them in its answer.
const MaxBatch = 2000

// What an enricher adds at most: in one answer, and to one event.
const (
	MaxAdded      = 10_000
	MaxAddedToOne = 100
)

// What is in tables at most. An answer is one, and is made of MaxTables.
const (
	MaxColumns = 100
	MaxRows    = 200_000
	MaxTables  = 8
)

// Whatever a message is, it has no more parts than these. Without a bound, bytes that say
// "and another one" 30 million times would become gigabytes.
const (
	// MaxMessages is the most messages within one: of the tables of an answer, each of their
	// columns with 20 labels is more than all of a batch.
	MaxMessages = 20_000
	// MaxValues is the most values of lists within one: all rows of 25 columns.
	MaxValues = 25 * MaxRows
)

// limits are of fields in a whole message, wherever in it they are. Whoever uses a message may
// have others, of what takes little.
var limits = map[protoreflect.FullName]int{
	"flowgauge.plugin.v1.EnrichResponse.changes": MaxBatch,
	"flowgauge.plugin.v1.Change.add":             MaxAdded,
	"flowgauge.plugin.v1.PriceResponse.prices":   MaxBatch,
	"flowgauge.plugin.v1.Table.columns":          MaxTables * MaxColumns,
	"flowgauge.plugin.v1.AnswerRequest.tables":   MaxTables,
}

// Check counts what a message is made of before it is read, and says what it has too much of.
func Check(message proto.Message, from []byte) error {
	s := shapeOf(message.ProtoReflect().Descriptor())
	c := count{values: len(from) > MaxValues}
	return c.message(s, from)
}

// A shape is what there is to count in messages of a type.
type shape struct {
	parts []*part // by number; nil is nothing to count
	holds bool    // messages or what has a limit of its own
}

// part is a field that may be there many times, or a message.
type part struct {
	name  protoreflect.FullName
	of    *shape // of a message, else nil
	width int    // of values that are packed: their bytes, 0 is a varint, -1 they never are
	limit int    // 0 is none
	at    int    // where those are counted that have a limit
}

var (
	shapes   = map[protoreflect.FullName]*shape{}
	limited  int // parts with a limit among them
	shapesMu sync.Mutex
)

func shapeOf(d protoreflect.MessageDescriptor) *shape {
	shapesMu.Lock()
	defer shapesMu.Unlock()
	return learn(d)
}

func learn(d protoreflect.MessageDescriptor) *shape {
	if s := shapes[d.FullName()]; s != nil {
		return s
	}
	s := &shape{}
	shapes[d.FullName()] = s
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.Message() == nil && !f.IsList() {
			continue
		}
		p := &part{name: f.FullName(), limit: limits[f.FullName()], width: widthOf(f.Kind())}
		if p.limit > 0 {
			p.at = limited
			limited++
		}
		if f.Message() != nil {
			p.of = learn(f.Message())
		}
		s.holds = s.holds || p.of != nil || p.limit > 0
		for len(s.parts) <= int(f.Number()) {
			s.parts = append(s.parts, nil)
		}
		s.parts[f.Number()] = p
	}
	return s
}

func widthOf(k protoreflect.Kind) int {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		return -1
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return 8
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return 4
	}
	return 0
}

// count is what was found so far.
type count struct {
	limited          [8]int // by where they are counted
	messages, listed int
	values           bool // there are bytes enough for too many
}

func (c *count) message(s *shape, from []byte) error {
	for len(from) > 0 {
		number, typ, n := protowire.ConsumeTag(from)
		if n < 0 {
			return protowire.ParseError(n)
		}
		from = from[n:]
		if n = protowire.ConsumeFieldValue(number, typ, from); n < 0 {
			return protowire.ParseError(n)
		}
		if int(number) < len(s.parts) && s.parts[number] != nil {
			if err := c.part(s.parts[number], typ, from[:n]); err != nil {
				return err
			}
		}
		from = from[n:]
	}
	return nil
}

func (c *count) part(p *part, typ protowire.Type, from []byte) error {
	if p.limit > 0 {
		if c.limited[p.at]++; c.limited[p.at] > p.limit {
			return fmt.Errorf("it has more than %d %s (%s)", p.limit, p.name.Name(), p.name)
		}
	}
	if p.of == nil {
		if c.listed += p.listed(typ, from); c.listed > MaxValues {
			return fmt.Errorf("it has more than %d values in lists, in %s", MaxValues, p.name)
		}
		return nil
	}
	if c.messages++; c.messages > MaxMessages {
		return fmt.Errorf("it has more than %d messages in it, in %s", MaxMessages, p.name)
	}
	if typ != protowire.BytesType || !p.of.holds && !c.values {
		return nil
	}
	within, _ := protowire.ConsumeBytes(from)
	return c.message(p.of, within)
}

// listed is how many values of a list there are.
func (p *part) listed(typ protowire.Type, from []byte) int {
	if p.width < 0 || typ != protowire.BytesType {
		return 1
	}
	packed, _ := protowire.ConsumeBytes(from)
	if p.width > 0 {
		return len(packed) / p.width
	}
	values := 0
	for _, b := range packed {
		if b < 0x80 {
			values++
		}
	}
	return values
}
