package panel

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/flowgauge/flowgauge/backend/plugintable"
	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

const (
	maxKinds       = 20
	maxParameters  = 20
	maxFields      = plugintable.MaxColumns
	maxAllowed     = 100
	maxTitle       = 100
	maxDescription = 1000
	maxValue       = 200
	maxUnit        = 50
)

var (
	kindName      = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	parameterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)
)

// Kinds reads what a plugin says of its kinds. All that is wrong with it is in the error.
func Kinds(plugin string, described []*contractv1.QueryKind) ([]query.KindInfo, error) {
	var errs []error
	if len(described) == 0 {
		errs = append(errs, errors.New("it describes no kinds"))
	}
	if n := len(described); n > maxKinds {
		return nil, fmt.Errorf("it describes %d kinds, %d are allowed", n, maxKinds)
	}
	kinds := make([]query.KindInfo, len(described))
	for i, k := range described {
		kind := query.Kind(plugin + "." + k.GetName())
		if slices.ContainsFunc(kinds[:i], func(other query.KindInfo) bool { return other.Kind == kind }) {
			errs = append(errs, fmt.Errorf("it describes kind %q twice", k.GetName()))
		}
		var err error
		if kinds[i], err = kindOf(k); err != nil {
			errs = append(errs, fmt.Errorf("kind %q: %w", query.Shortened(k.GetName()), err))
		}
		kinds[i].Kind, kinds[i].From = kind, plugin
	}
	return kinds, errors.Join(errs...)
}

func kindOf(k *contractv1.QueryKind) (query.KindInfo, error) {
	f := &faults{}
	out := query.KindInfo{Title: k.GetTitle(), Description: k.GetDescription(), Uses: []string{}, Params: []query.ParamInfo{}, Fields: []query.FieldInfo{}}
	if !kindName.MatchString(k.GetName()) {
		f.add("name: want lower-case letters, digits and underscores, beginning with a letter, 40 at most")
	}
	f.words("title", k.GetTitle(), maxTitle)
	f.words("description", k.GetDescription(), maxDescription)
	if k.GetGranularity() {
		out.Uses = append(out.Uses, "granularity")
	}
	if n := len(k.GetParameters()); n > maxParameters {
		return out, fmt.Errorf("it has %d parameters, %d are allowed", n, maxParameters)
	}
	if n := len(k.GetFields()); n > maxFields {
		return out, fmt.Errorf("it has %d fields, %d are allowed", n, maxFields)
	}
	for i, p := range k.GetParameters() {
		if slices.ContainsFunc(k.GetParameters()[:i], func(o *contractv1.Parameter) bool { return o.GetName() == p.GetName() }) {
			f.add("parameter %q is there twice", query.Shortened(p.GetName()))
		}
		f.parameter(p)
		out.Params = append(out.Params, query.ParamInfo{
			Name: p.GetName(), Description: p.GetDescription(), Required: p.GetRequired(), Default: p.GetDefault(), Allowed: p.GetAllowed(), Example: p.GetExample(),
		})
	}
	for _, field := range k.GetFields() {
		f.words("a field's name", field.GetName(), maxValue)
		f.words("description of field "+query.Shortened(field.GetName()), field.GetDescription(), maxDescription)
		f.word("unit of field "+query.Shortened(field.GetName()), field.GetUnit(), maxUnit)
		out.Fields = append(out.Fields, query.FieldInfo{Name: field.GetName(), Unit: field.GetUnit(), Description: field.GetDescription()})
	}
	return out, errors.Join(f.errs...)
}

// faults gathers what is wrong with a description.
type faults struct{ errs []error }

func (f *faults) add(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf(format, args...))
}

// word wants a text of a line, words one that says something.
func (f *faults) word(what, text string, most int) {
	if err := plugintable.Word(text, most); err != nil {
		f.add("%s: %w", what, err)
	}
}

func (f *faults) words(what, text string, most int) {
	if text == "" {
		f.add("%s: it is empty", what)
	}
	f.word(what, text, most)
}

func (f *faults) parameter(p *contractv1.Parameter) {
	name := "parameter " + query.Shortened(p.GetName())
	if !parameterName.MatchString(p.GetName()) {
		f.add("%s: want letters, digits and underscores for a name, beginning with a letter, 40 at most", name)
	}
	f.words(name+", description", p.GetDescription(), maxDescription)
	f.word(name+", default", p.GetDefault(), maxValue)
	f.word(name+", example", p.GetExample(), maxValue)
	if n := len(p.GetAllowed()); n > maxAllowed {
		f.add("%s: it has %d allowed values, %d are allowed; leave the list out where there are more", name, n, maxAllowed)
		return
	}
	for _, value := range p.GetAllowed() {
		f.words(name+", allowed value", value, maxValue)
	}
	for what, value := range map[string]string{"default": p.GetDefault(), "example": p.GetExample()} {
		if value != "" && len(p.GetAllowed()) > 0 && !slices.Contains(p.GetAllowed(), value) {
			f.add("%s: the %s %q is none of the allowed values", name, what, value)
		}
	}
	if p.GetRequired() && p.GetExample() == "" && len(p.GetAllowed()) == 0 {
		f.add("%s: it is required, so it needs an example or a list of allowed values", name)
	}
}
