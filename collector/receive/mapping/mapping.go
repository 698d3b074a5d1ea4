// Package mapping is what the mappings of foreign events have in common: texts with
// references, patterns with stars, and what means which status. Package otlp maps
// spans with it, package cloudevents events of other vendors.
//
// A text is literal but for references in braces, such as "{n8n.workflow.id}" or
// "{$trace}-{$span_id}". What a reference stands for is its Source's to say; names
// are resolved to numbers when a mapping is compiled, so that nothing is looked up
// by name while events are taken in.
package mapping

import (
	"errors"
	"fmt"
	"strings"
)

// Source says what references stand for in the event at hand.
type Source interface {
	// Text returns the value of a reference; false when there is none. It stays
	// valid as long as the event's texts do.
	Text(ref int) (string, bool)
}

// Resolve numbers a reference, when it is compiled, or says why it cannot be used.
type Resolve func(name string) (int, error)

// Texts are the texts of a field. The first whose references all have a value, and
// that is not empty, is the field's value.
type Texts []text

type text []part

// part is a literal, or a reference where it has none.
type part struct {
	literal string
	ref     int
}

// Compile reads texts.
func Compile(texts []string, resolve Resolve) (Texts, error) {
	out := make(Texts, 0, len(texts))
	for _, s := range texts {
		t, err := compile(s, resolve)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func compile(s string, resolve Resolve) (text, error) {
	var t text
	for s != "" {
		open := strings.IndexByte(s, '{')
		if open != 0 {
			if open < 0 {
				open = len(s)
			}
			t, s = append(t, part{literal: s[:open]}), s[open:]
			continue
		}
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return nil, errors.New("a reference ends with }")
		}
		ref, err := resolve(s[1:end])
		if err != nil {
			return nil, err
		}
		t, s = append(t, part{ref: ref}), s[end+1:]
	}
	if len(t) == 0 {
		return nil, errors.New("it is empty")
	}
	return t, nil
}

// Text returns the first text that has a value.
func (t Texts) Text(src Source, arena *Arena) (string, bool) {
	for _, one := range t {
		if s, ok := one.text(src, arena); ok {
			return s, true
		}
	}
	return "", false
}

func (t text) text(src Source, arena *Arena) (string, bool) {
	if len(t) == 1 { // The usual case, without a copy.
		if t[0].literal != "" {
			return t[0].literal, true
		}
		s, ok := src.Text(t[0].ref)
		return s, ok && s != ""
	}
	var buf [256]byte
	b := buf[:0]
	for _, p := range t {
		if p.literal != "" {
			b = append(b, p.literal...)
			continue
		}
		s, ok := src.Text(p.ref)
		if !ok || s == "" {
			return "", false
		}
		b = append(b, s...)
	}
	return arena.Keep(b), true
}

// Refs calls yield with every reference.
func (t Texts) Refs(yield func(ref int)) {
	for _, one := range t {
		for _, p := range one {
			if p.literal == "" {
				yield(p.ref)
			}
		}
	}
}
