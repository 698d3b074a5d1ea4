package cloudevents

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// rule is a mapping of a foreign type that is ready to use.
type rule struct {
	typ, source mapping.Pattern
	kind        event.Kind // 0: the event is ignored
	fields      []assignment
	status      mapping.Status
}

type assignment struct {
	name  string
	texts mapping.Texts
}

// compileRule reads a mapping. That a kind has no such field is found here and not at
// every event.
func compileRule(m *config.EventMapping, refs *references) (*rule, error) {
	kind, err := mapping.Kind(m.Event)
	if err != nil {
		return nil, err
	}
	r := &rule{typ: mapping.NewPattern(m.Match.Type), source: mapping.NewPattern(m.Match.Source), kind: kind}
	if r.typ.Any() && r.source.Any() {
		return nil, errors.New("match: it would match every event: give a type or a source")
	}
	if kind == 0 {
		if len(m.Fields) > 0 {
			return nil, errors.New("what is ignored has no fields")
		}
		return r, nil
	}
	if r.status, err = mapping.CompileStatus(m.Status, refs.resolve); err != nil {
		return nil, err
	}
	if m.Fields["status"] != nil && len(m.Status.From) > 0 {
		return nil, errors.New("status is given twice, as a field and by what means what")
	}
	if st := &m.Status; st.Started != nil || st.Completed != nil || st.Failed != nil || st.Skipped != nil {
		if err := hasField(kind, "status"); err != nil {
			return nil, err
		}
	}
	texts := map[string][]string{"source": {"{source}"}, timeField(kind): {"{time}"}}
	maps.Copy(texts, m.Fields)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := hasField(kind, name); err != nil {
			return nil, err
		}
		compiled, err := mapping.Compile(texts[name], refs.resolve)
		if err != nil {
			return nil, fmt.Errorf("fields: %s: %w", name, err)
		}
		r.fields = append(r.fields, assignment{name, compiled})
	}
	return r, nil
}

// hasField asks the native format whether a kind has a field.
func hasField(kind event.Kind, name string) error {
	if name == "kind" {
		return errors.New("fields: the kind is what event says")
	}
	sample := `"x"`
	switch {
	case numbers[name], strings.HasPrefix(name, "credits"), name == "dollarAmount":
		sample = "1"
	case strings.HasSuffix(name, "Time"), strings.HasSuffix(name, "imestamp"):
		sample = `"2000-01-01T00:00:00Z"`
	case name == "status":
		sample = `"completed"`
	case name == "dependsOn":
		sample = `["x"]`
	case name == "metadata":
		sample = `{"x":1}`
	}
	text := `{"kind":"` + kind.String() + `",` + string(walk.Quote(nil, name)) + ":" + sample + "}"
	var found *event.Error
	if err := event.Decode([]byte(text), event.FormatJSON, event.Options{Tenant: "x", CrossTenant: true}, func(_ int, _ []byte, _ *event.Event, err *event.Error) bool {
		found = err
		return true
	}); err != nil {
		return err
	}
	if found != nil && found.Code == event.CodeUnknownField {
		return errors.New("fields: " + found.Message)
	}
	return nil
}

// numbers are the fields whose texts are numbers.
var numbers = map[string]bool{
	"duration": true, "workflowVersion": true, "attempt": true, "stepCount": true, "inputSize": true, "outputSize": true,
}

// native appends the event that a rule makes, in the native format. ownID says whether
// its id is not the envelope's; made is false when its status is to be ignored.
func (r *rule) native(dst []byte, v *view, arena *mapping.Arena) (_ []byte, ownID, made bool) {
	dst = append(append(append(dst, `{"kind":"`...), r.kind.String()...), '"')
	for i := range r.fields {
		f := &r.fields[i]
		text, ok := f.texts.Text(v, arena)
		if !ok {
			continue
		}
		ownID = ownID || f.name == "id"
		dst = appendText(dst, f.name, text)
	}
	if !ownID {
		dst = appendField(dst, "id", v.envelope.identity())
	}
	switch status := r.status.Of(v, arena); status {
	case 0:
	case mapping.Ignored:
		return dst, ownID, false
	default:
		dst = appendField(dst, "status", status.String())
	}
	return append(dst, '}'), ownID, true
}

// appendText appends a field in the JSON type that it has.
func appendText(dst []byte, name, text string) []byte {
	raw := numbers[name] || name == "metadata" && strings.HasPrefix(text, "{") || name == "dependsOn" && strings.HasPrefix(text, "[")
	if raw && json.Valid([]byte(text)) {
		return append(append(append(append(dst, `,"`...), name...), `":`...), text...)
	}
	if name != "dependsOn" {
		return appendField(dst, name, text)
	}
	dst = append(append(append(dst, `,"`...), name...), `":[`...)
	for i, id := range strings.Split(text, ",") {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = walk.Quote(dst, strings.TrimSpace(id))
	}
	return append(dst, ']')
}
