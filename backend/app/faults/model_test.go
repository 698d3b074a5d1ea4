package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// An identity is what makes two deliveries one event.
type identity struct {
	kind, id, phase string
	time            int64
}

// An entry is an event as it was sent and as the tables should have it.
type entry struct {
	identity
	json string
	line string
}

// A model is what one worker has had acknowledged. Workers have ids of their own, so
// that each knows the order of what it sent.
type model struct {
	name   string
	random *rand.Rand
	next   int
	events map[identity]entry
	sent   []identity // in the order of their first delivery, for duplicates and corrections
}

func newModel(name string, seed uint64) *model {
	return &model{name: name, random: rand.New(rand.NewPCG(seed, 7)), events: map[identity]entry{}}
}

// day is where late events go: two years back, a leap day's end among them.
var longAgo = time.Date(2024, 2, 29, 23, 58, 0, 0, time.UTC)

func (m *model) time() int64 {
	switch m.random.IntN(10) {
	case 0:
		return longAgo.Add(time.Duration(m.random.IntN(240_000)) * time.Millisecond).UnixMilli()
	case 1, 2:
		return time.Now().Add(-time.Duration(m.random.IntN(40*3600)) * time.Second).UnixMilli()
	}
	return time.Now().Add(-time.Duration(m.random.IntN(90_000)) * time.Millisecond).UnixMilli()
}

// batch makes a request: new events, some that were sent before, some of those
// changed, one moved to another time.
func (m *model) batch() []entry {
	var out []entry
	for range 1 + m.random.IntN(30) {
		switch known := len(m.sent); {
		case known > 0 && m.random.IntN(6) == 0: // again
			if e, ok := m.events[m.sent[m.random.IntN(known)]]; ok {
				out = append(out, e)
			}
		case known > 0 && m.random.IntN(6) == 0: // a correction
			if e, ok := m.events[m.sent[m.random.IntN(known)]]; ok {
				out = append(out, m.make(e.identity))
			}
		default:
			out = append(out, m.fresh()...)
		}
	}
	if len(out) == 0 {
		out = m.fresh()
	}
	return out
}

// fresh makes an event, or the two of an execution in any order.
func (m *model) fresh() []entry {
	m.next++
	id := m.name + "-" + strconv.Itoa(m.next)
	at := m.time()
	switch m.random.IntN(5) {
	case 0:
		pair := []entry{m.make(identity{"execution", id, "started", at}), m.make(identity{"execution", id, "terminal", at + int64(m.random.IntN(5000))})}
		if m.random.IntN(2) == 0 {
			slices.Reverse(pair)
		}
		return pair[:1+m.random.IntN(2)]
	case 1, 2:
		return []entry{m.make(identity{"step", id, "", at})}
	case 3:
		return []entry{m.make(identity{"cost", id, "", at})}
	}
	return []entry{m.make(identity{"activity", id, "", at})}
}

// make gives an identity fields, other ones each time.
func (m *model) make(id identity) entry {
	user, workflow := "u"+strconv.Itoa(m.random.IntN(5)), "w"+strconv.Itoa(m.random.IntN(4))
	duration := m.random.Int64N(100_000)
	own := time.UnixMilli(id.time).UTC().Format("2006-01-02T15:04:05.000Z")
	fields := map[string]any{"kind": id.kind, "id": id.id, "source": m.name}
	var line string
	switch id.kind {
	case "execution":
		status := "started"
		if id.phase == "terminal" {
			status = []string{"completed", "failed"}[m.random.IntN(2)]
			fields["duration"] = duration
		} else {
			duration = 0
		}
		fields["timestamp"], fields["workflowId"], fields["userId"], fields["status"] = own, workflow, user, status
		line = fmt.Sprintf("%s %s %s %d", workflow, user, status, duration)
	case "step":
		execution := m.name + "-" + strconv.Itoa(1+m.random.IntN(max(m.next, 1)))
		fields["startTime"], fields["executionId"], fields["stepId"], fields["stepType"] = own, execution, "s1", "http"
		fields["status"], fields["duration"] = "completed", duration
		if m.random.IntN(2) == 0 { // else it takes them from its execution, if that ever comes
			fields["workflowId"], fields["userId"], fields["workflowVersion"] = workflow, user, 1
		} else {
			workflow, user = "", ""
		}
		line = fmt.Sprintf("%s %s %s %d", workflow, user, execution, duration)
	case "cost":
		dollars := strconv.FormatInt(m.random.Int64N(1000)-300, 10) + ".000000000000001"
		fields["timestamp"], fields["workflowId"], fields["userId"], fields["actionType"], fields["dollarAmount"] = own, workflow, user, "api", dollars
		line = fmt.Sprintf("%s %s %s", workflow, user, dollars)
	case "activity":
		fields["timestamp"], fields["userId"], fields["action"], fields["duration"] = own, user, "login", duration
		line = fmt.Sprintf("%s %d", user, duration)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return entry{identity: id, json: string(text), line: fmt.Sprintf("%s %s %s %d %s", id.kind, id.id, id.phase, id.time, line)}
}

// acknowledged notes what a request said, in its order: the last word stands.
func (m *model) acknowledged(batch []entry) {
	for _, e := range batch {
		if _, known := m.events[e.identity]; !known {
			m.sent = append(m.sent, e.identity)
		}
		m.events[e.identity] = e
	}
}
