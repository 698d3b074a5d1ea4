package cloudevents

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
)

// references are what the mappings refer to: attributes by name, and what is in the
// data by its path.
type references struct{ all []reference }

type reference struct {
	attribute string   // else:
	path      []string // in the data
	star      bool
}

// resolve numbers a reference.
func (r *references) resolve(name string) (int, error) {
	ref := reference{attribute: name}
	switch {
	case name == "$*":
		ref = reference{star: true}
	case name == "data":
		ref = reference{path: []string{}}
	case strings.HasPrefix(name, "data."):
		ref = reference{path: strings.Split(name, ".")[1:]}
	case name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "":
		return 0, fmt.Errorf("{%s} is no reference: it is data, data.PATH, the name of an attribute, or $*", name)
	}
	r.all = append(r.all, ref)
	return len(r.all) - 1, nil
}

// view is an event as mappings see it.
type view struct {
	envelope *envelope
	refs     *references
	star     string // what the first * of a mapping's type stands for
}

// Text returns what a reference stands for. null is nothing.
func (v *view) Text(ref int) (string, bool) {
	r := &v.refs.all[ref]
	if r.star {
		return v.star, v.star != ""
	}
	if r.path == nil {
		s := v.envelope.text(r.attribute)
		return s, s != ""
	}
	if !v.envelope.hasData {
		return "", false
	}
	value := dig(v.envelope.data, r.path)
	if value == nil || value[0] == 'n' {
		return "", false
	}
	s := plain(value)
	return s, s != ""
}

// dig returns the value at a path in JSON, nil when there is none.
func dig(value []byte, path []string) []byte {
	value = walk.New(value).Value()
	for _, name := range path {
		if value = child(value, name); value == nil {
			return nil
		}
	}
	return value
}

// child returns a member of an object by its name, or an element of an array by its
// position.
func child(value []byte, name string) []byte {
	r := walk.New(value)
	switch r.Kind() {
	case '{':
		for r.Enter(); r.More(); {
			if own, member, _ := r.Member(); string(own) == name {
				return member
			}
		}
	case '[':
		position := 0
		for r.Enter(); r.More(); position++ {
			if element := r.Value(); strconv.Itoa(position) == name {
				return element
			}
		}
	}
	return nil
}
