package cloudevents

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
)

// types are those of Flowgauge's own events.
var types = map[string]event.Kind{
	"dev.flowgauge.execution.v1": event.KindExecution,
	"dev.flowgauge.step.v1":      event.KindStep,
	"dev.flowgauge.cost.v1":      event.KindCost,
	"dev.flowgauge.activity.v1":  event.KindActivity,
}

// native appends the event in the native format: the data, with what it leaves out
// taken from the envelope. What is wrong with its fields is left for event.Decode to
// find. ownID says whether the id is the data's own.
func (e *envelope) native(dst []byte, kind event.Kind) (_ []byte, ownID bool) {
	data := e.data
	if !e.hasData {
		data = []byte("{}")
	}
	r := walk.New(data)
	if r.Kind() != '{' { // event.Decode would take an array for several events.
		e.fail(event.CodeNotAnObject, "data", "the data must be a JSON object, not "+event.Clip(string(data), 48))
		return dst, true
	}
	own := timeField(kind)
	var ownSource, ownTime bool
	dst = append(append(append(dst, `{"kind":"`...), kind.String()...), '"')
	for r.Enter(); r.More(); {
		name, value, text := r.Member()
		given := value[0] != 'n' && string(value) != `""` // else it is absent
		switch field := string(name); {
		case field == "kind":
			if given && plain(value) != kind.String() {
				e.fail(event.CodeUnknownKind, "kind", "the data says that its kind is "+event.Clip(string(value), 48)+", its type is of "+kind.String())
			}
			continue
		case !given && (field == "id" || field == "source" || field == own):
			continue
		case field == "id":
			ownID = true
		case field == "source":
			ownSource = true
		case field == own:
			ownTime = true
		}
		dst = append(append(dst, ','), text...)
	}
	if !ownID {
		dst = appendField(dst, "id", e.identity())
	}
	if !ownSource {
		dst = appendField(dst, "source", e.text(attrSource))
	}
	if at := e.text(attrTime); at != "" && !ownTime {
		dst = appendField(dst, own, at)
	}
	return append(dst, '}'), ownID
}

// timeField is the field with the own time of a kind.
func timeField(kind event.Kind) string {
	if kind == event.KindStep {
		return "startTime"
	}
	return "timestamp"
}

// appendField appends a member that is a string to an object that has others.
func appendField(dst []byte, name, value string) []byte {
	return walk.Quote(append(append(append(dst, `,"`...), name...), `":`...), value)
}

// identity names the event among those of all sources: two of different sources may
// have the same id.
func (e *envelope) identity() string { return qualify(e.text(attrSource), e.text(attrID)) }

// qualify puts a name behind its source. One that is too long is replaced by a hash.
func qualify(source, name string) string {
	s := source + " " + name
	if len(s) <= event.MaxNameBytes {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}
