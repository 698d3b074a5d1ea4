package gather

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
)

const t0 = int64(1_700_000_000_000)

// drawFragments draws what is said of a few runs, each message once. Times are few,
// so that they collide.
func drawFragments(t *rapid.T, runs, messages int) []event.Fragment {
	var out []event.Fragment
	seen := map[uint64]bool{}
	for range rapid.IntRange(1, messages).Draw(t, "messages") {
		f := drawFragment(t, fmt.Sprint("run", rapid.IntRange(1, runs).Draw(t, "run")))
		if !seen[f.Digest()] {
			seen[f.Digest()] = true
			out = append(out, f)
		}
	}
	return out
}

func drawFragment(t *rapid.T, id string) event.Fragment {
	text := func(name string, of ...string) string { return rapid.SampledFrom(append(of, "", "")).Draw(t, name) }
	at := func(name string) int64 { return t0 + 1000*rapid.Int64Range(0, 9).Draw(t, name) }
	f := event.Fragment{
		Tenant: "t", Source: "s", Run: id, Workflow: "job", StepID: "job", Duration: event.NoDuration,
		Status:   rapid.SampledFrom([]event.Status{0, 0, 1, 1, 2, 2, 3, 4}).Draw(t, "status"),
		StepType: text("type", "TASK", "QUERY"), UserID: text("user", "ann", "bob"),
	}
	if f.Status != 0 || rapid.Bool().Draw(t, "timed") {
		f.Time = at("time")
	}
	if rapid.IntRange(0, 2).Draw(t, "parent") > 0 {
		f.Execution, f.Workflow = "root"+text("root", "1"), "dag"
	}
	switch {
	case ends(f.Status):
		if rapid.IntRange(0, 3).Draw(t, "says start") == 0 {
			f.Start = at("start")
		}
		if rapid.IntRange(0, 3).Draw(t, "says duration") == 0 {
			f.Duration = rapid.Int64Range(0, 9).Draw(t, "duration")
		}
		f.ErrorType, f.ErrorMessage = text("error", "E"), text("message", "m1", "m2")
		f.OutputSize = rapid.Int64Range(0, 2).Draw(t, "output")
	case f.Status == 0:
		f.Attempt = rapid.Uint32Range(0, 2).Draw(t, "attempt")
		f.QueuedTime = rapid.SampledFrom([]int64{0, t0}).Draw(t, "queued")
		f.DependsOn = rapid.SampledFrom([][]string{nil, {"a"}, {"b", "c"}}).Draw(t, "depends")
		f.Facts = rapid.SampledFrom([][]event.Fact{nil, {{Name: "a", Value: "1"}}, {{Name: "a", Value: "2"}, {Name: "b", Value: "<"}}}).Draw(t, "facts")
	}
	return f
}

// want is what must be left of a run, computed without the code under test: what
// is known of it in any order.
type wanted struct {
	execution, step bool
	start, end      int64 // 0 is none
	status          event.Status
	duration        int64
}

func want(fragments []event.Fragment) wanted {
	var w wanted
	graver := map[event.Status]int{event.StatusSkipped: 1, event.StatusCompleted: 2, event.StatusFailed: 3}
	said := map[int64]bool{}
	for _, f := range fragments {
		w.step = w.step || f.Execution != ""
		for _, t := range []int64{f.Start, f.Time} {
			if t != 0 && (t == f.Start || f.Status == event.StatusStarted) && (w.start == 0 || t < w.start) {
				w.start = t
			}
		}
		if graver[f.Status] > 0 && (f.Time > w.end || f.Time == w.end && graver[f.Status] > graver[w.status]) {
			w.end, w.status = f.Time, f.Status
		}
	}
	w.execution = !w.step
	if w.end == 0 {
		w.step = false
		return w
	}
	if w.start != 0 && w.start < w.end {
		w.duration = w.end - w.start
	}
	for _, f := range fragments { // One of those that may say it says it, or none.
		if f.Time == w.end && f.Status == w.status {
			said[f.Duration] = true
		}
	}
	if !said[event.NoDuration] || len(said) > 1 {
		w.duration = -1 // Several may be right; which one is for TestOrderIsNothing to say.
	}
	return w
}
