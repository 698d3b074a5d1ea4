package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flowgauge/flowgauge/collector/simulate"
)

// A template is a request's body that becomes a new one, with other ids and the
// present time, by overwriting bytes: so cheap that the generator takes next to
// nothing of the machine that is being measured.
type template struct {
	text   []byte
	ids    []int // where eight hexadecimal digits of an id begin
	times  []int // where a time begins
	offset []int64
	events int
}

const timeLayout = "2006-01-02T15:04:05.000Z"

var (
	idPattern   = regexp.MustCompile(`"[a-z]{2,4}-[0-9a-f]{16}`)
	timePattern = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
)

// span is how much time the events of a body are spread over: those of a live
// platform are of the last minute or two.
const span = time.Minute

// newTemplates takes bodies of a simulated platform apart.
func newTemplates(events, each int) ([]*template, error) {
	platform, err := simulate.New(simulate.Config{Seed: 1, Scale: 200})
	if err != nil {
		return nil, err
	}
	end := time.Now().UTC().Truncate(24 * time.Hour).Add(-10 * time.Hour) // a busy hour of the day
	var out []*template
	for chunk := range platform.History(end.Add(-24*time.Hour), end) {
		for text, n := range chunk.Split(each, 4<<20) {
			if n < each {
				continue
			}
			t, err := newTemplate(slices.Clone(text), n)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
			if events -= n; events <= 0 {
				return out, nil
			}
		}
	}
	return out, nil
}

func newTemplate(text []byte, events int) (*template, error) {
	t := &template{text: text, events: events}
	for _, m := range idPattern.FindAllIndex(text, -1) {
		t.ids = append(t.ids, m[1]-16)
	}
	line, first := -1, int64(0)
	for _, m := range timePattern.FindAllIndex(text, -1) {
		at, err := time.Parse(timeLayout, string(text[m[0]+1:m[1]-1]))
		if err != nil {
			return nil, fmt.Errorf("a simulated time: %w", err)
		}
		ms := at.UnixMilli()
		if n := bytes.LastIndexByte(text[:m[0]], '\n'); n != line || len(t.times) == 0 {
			line, first = n, ms // the times of one event stay as far apart as they are
		}
		t.times = append(t.times, m[0]+1)
		t.offset = append(t.offset, first%span.Milliseconds()-span.Milliseconds()+ms-first)
	}
	if len(t.ids) < events || len(t.times) < events {
		return nil, fmt.Errorf("%d events have %d ids and %d times: the simulator writes them in another way now", events, len(t.ids), len(t.times))
	}
	return t, nil
}

var passes atomic.Uint32

// next writes the next body of its kind behind dst.
func (t *template) next(dst []byte) []byte {
	dst = append(dst[:0], t.text...)
	pass := passDigits(passes.Add(1))
	for _, at := range t.ids {
		copy(dst[at:], pass[:])
	}
	now := time.Now().UTC()
	var text []byte
	for i, at := range t.times {
		text = now.Add(time.Duration(t.offset[i])*time.Millisecond).AppendFormat(text[:0], timeLayout)
		copy(dst[at:], text)
	}
	return dst
}

func passDigits(n uint32) (out [8]byte) {
	const digits = "0123456789abcdef"
	for i := 7; i >= 0; i, n = i-1, n>>4 {
		out[i] = digits[n&15]
	}
	return out
}

// singles cuts templates into one for each event.
func singles(templates []*template) ([]*template, error) {
	var out []*template
	for _, t := range templates {
		for line := range bytes.Lines(t.text) {
			one, err := newTemplate(slices.Clone(line), 1)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
	}
	return out, nil
}
