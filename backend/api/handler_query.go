package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

const maxBody = 1 << 20

// Query answers POST /query: any query.Request.
func (s server) Query(c *gin.Context, _ spec.QueryParams) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	r, known := s.readings.get(body)
	if err != nil || !known {
		if r, err = decode(body, err); err != nil {
			s.fail(c, err)
			return
		}
		s.readings.put(body, r)
	}
	s.ask(c, r)
}

// decode reads one JSON object, unless it could not be received. A member that a Request
// does not have is an error: misspelt, it would silently ask another question.
func decode(text []byte, err error) (query.Request, error) {
	var r query.Request
	if err == nil {
		if null := refuseNulls(text); null != nil {
			return r, null
		}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err == nil {
		err = d.Decode(&r)
	}
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return r, invalid("body", "", "must be one JSON object and nothing else", "")
		}
		return r, nil
	}
	var (
		large *http.MaxBytesError
		typed *json.UnmarshalTypeError
		when  *time.ParseError
	)
	switch {
	case errors.As(err, &large):
		return r, &Problem{Type: problemType("too-large"), Title: "Too large", Status: http.StatusRequestEntityTooLarge, Detail: "the body may have 1 MiB"}
	case errors.As(err, &typed):
		return r, invalid(typed.Field, typed.Value, "must be "+describeType(typed.Type.String()), "")
	case errors.As(err, &when):
		return r, invalid("body", when.Value, "from and to must be times as RFC 3339", "2026-03-01T00:00:00Z")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return r, invalid(strings.Trim(field, `"`), "", "no such member", "",
			requestMembers()...)
	}
	return r, invalid("body", "", "must be a JSON object: "+err.Error(), `{"metrics":["executions"],"from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z"}`)
}

// refuseNulls wants no null in an object, however deep. It would be taken for what is
// not there, and that need not be what is meant.
func refuseNulls(text []byte) error {
	if begins := bytes.TrimLeft(text, " \t\r\n"); bytes.HasPrefix(begins, []byte("{")) && !bytes.Contains(text, []byte("null")) {
		return nil // most have none, and need not be read twice
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil // is said where it is decoded
	}
	if object == nil {
		return invalid("body", "null", "must be a JSON object", "{}")
	}
	return noNulls("", object)
}

// noNulls wants no null in a value, which is at path.
func noNulls(path string, value any) error {
	switch v := value.(type) {
	case nil:
		return invalid(path, "null", "must not be null: leave it out", "")
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := noNulls(strings.TrimPrefix(path+"."+name, "."), v[name]); err != nil {
				return err
			}
		}
	case []any:
		for i, element := range v {
			if err := noNulls(path+"."+strconv.Itoa(i), element); err != nil {
				return err
			}
		}
	}
	return nil
}

// requestMembers are the names of a Request's members.
func requestMembers() []string {
	t := reflect.TypeFor[query.Request]()
	var out []string
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	return out
}

func describeType(name string) string {
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
