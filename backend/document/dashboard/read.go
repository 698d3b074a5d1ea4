package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// InvalidError says which member of a view is wrong.
type InvalidError struct {
	Member  string
	Message string
}

func (e *InvalidError) Error() string { return e.Member + ": " + e.Message }

// Read makes a view of a JSON object. A member that a view does not have is an error:
// misspelt, it would silently be lost.
func Read(raw map[string]any) (View, error) {
	text, err := json.Marshal(raw)
	if err != nil {
		return View{}, fmt.Errorf("read a dashboard: %w", err)
	}
	var v View
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return View{}, invalid(err)
	}
	if v.RefreshInterval < 0 {
		return View{}, &InvalidError{"refreshInterval", "must be seconds, or 0 for never"}
	}
	for i, w := range v.Widgets {
		if !slices.Contains(Types, w.Type) {
			return View{}, &InvalidError{fmt.Sprintf("widgets.%d.type", i), "must be one of " + strings.Join(Types, ", ")}
		}
	}
	return v, nil
}

func invalid(err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		return &InvalidError{typed.Field, "must be a " + strings.TrimPrefix(typed.Type.Kind().String(), "u")}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &InvalidError{strings.Trim(name, `"`), "no such member"}
	}
	return &InvalidError{"body", err.Error()}
}
