// Package requestjson reads questions that are written in JSON, and refuses whatever would
// silently be another one: members that there are not, nulls, a second object behind the
// first. Its errors are *query.RequestError.
package requestjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/query"
)

const example = `{"metrics":["executions"],"from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z"}`

func wrong(param, value, message, example string, allowed ...string) error {
	return &query.RequestError{Param: param, Value: query.Shortened(value), Message: message, Example: example, Allowed: allowed}
}

// Decode reads one JSON object. A member that a Request does not have is an error:
// misspelt, it would silently ask another question.
func Decode(text []byte) (query.Request, error) {
	var r query.Request
	if err := RefuseNulls(text); err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&r)
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return r, wrong("body", "", "must be one JSON object and nothing else", "")
		}
		return r, nil
	}
	var (
		typed *json.UnmarshalTypeError
		when  *time.ParseError
	)
	switch {
	case errors.As(err, &typed) && strings.HasPrefix(typed.Field, "params"):
		return r, wrong(typed.Field, typed.Value, "params has texts, also for numbers", `"params":{"horizon":"30"}`)
	case errors.As(err, &typed):
		return r, wrong(typed.Field, typed.Value, "must be "+TypeName(typed.Type.String()), "")
	case errors.As(err, &when):
		return r, wrong("body", when.Value, "from and to must be times as RFC 3339", "2026-03-01T00:00:00Z")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return r, wrong(strings.Trim(field, `"`), "", "no such member", "", Members()...)
	}
	return r, wrong("body", "", "must be a JSON object: "+err.Error(), example)
}

// RefuseNulls wants no null in an object, however deep. It would be taken for what is
// not there, and that need not be what is meant.
func RefuseNulls(text []byte) error {
	if begins := bytes.TrimLeft(text, " \t\r\n"); bytes.HasPrefix(begins, []byte("{")) && !bytes.Contains(text, []byte("null")) {
		return nil // most have none, and need not be read twice
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil // is said where it is decoded
	}
	if object == nil {
		return wrong("body", "null", "must be a JSON object", "{}")
	}
	return NoNulls("", object)
}

// NoNulls wants no null in a value, which is at path.
func NoNulls(path string, value any) error {
	switch v := value.(type) {
	case nil:
		return wrong(path, "null", "must not be null: leave it out", "")
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := NoNulls(strings.TrimPrefix(path+"."+name, "."), v[name]); err != nil {
				return err
			}
		}
	case []any:
		for i, element := range v {
			if err := NoNulls(path+"."+strconv.Itoa(i), element); err != nil {
				return err
			}
		}
	}
	return nil
}

// Members are the names of a Request's members.
func Members() []string {
	t := reflect.TypeFor[query.Request]()
	var out []string
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	return out
}

// TypeName is a type of Go's in the words of JSON.
func TypeName(name string) string {
	switch {
	case strings.HasPrefix(name, "[]"):
		return "a list"
	case name == "bool":
		return "true or false"
	case strings.HasPrefix(name, "int"):
		return "a whole number"
	case strings.HasPrefix(name, "query.Request"):
		return "an object"
	}
	return "a string"
}
