package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// between is how long a worker waits between two requests, unless a test is about more.
const between = 20 * time.Millisecond

// A load is workers that send until they are stopped. Each repeats a request until
// it is acknowledged, as a client of Flowgauge should.
type load struct {
	t       testing.TB
	urls    func() []string // of the collectors, any of which may be down
	key     string
	models  []*model
	stopped chan struct{}
	workers sync.WaitGroup
	acks    atomic.Int64 // requests acknowledged
	retries atomic.Int64
	pause   time.Duration
}

// modelsMade numbers the workers of all loads: each has ids of its own.
var modelsMade atomic.Uint64

func startLoad(t testing.TB, urls func() []string, key string, workers int, pause time.Duration) *load {
	l := &load{t: t, urls: urls, key: key, stopped: make(chan struct{}), pause: pause}
	for range workers {
		n := modelsMade.Add(1)
		m := newModel(fmt.Sprintf("w%d", n), *seed+n)
		l.models = append(l.models, m)
		l.workers.Go(func() { l.work(m) })
	}
	return l
}

// progress waits until a request was acknowledged. Without it a slow machine would be
// killed while it starts, again and again, and nothing would be under way.
func (l *load) progress() {
	for before := l.acks.Load(); l.acks.Load() == before; {
		time.Sleep(5 * time.Millisecond)
	}
}

// stop ends the load when every worker has its last acknowledgement.
func (l *load) stop() {
	close(l.stopped)
	l.workers.Wait()
	l.t.Logf("%d requests acknowledged, %d attempts failed", l.acks.Load(), l.retries.Load())
}

func (l *load) work(m *model) {
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for {
		select {
		case <-l.stopped:
			return
		default:
		}
		batch := m.batch()
		var body bytes.Buffer
		for _, e := range batch {
			body.WriteString(e.json)
			body.WriteByte('\n')
		}
		for try := 0; ; try++ {
			urls := l.urls()
			ok, err := l.send(client, urls[(try+m.next)%len(urls)], body.Bytes())
			if err != nil {
				l.t.Error(err) // the collector says that the request is wrong
				return
			}
			if ok {
				break
			}
			l.retries.Add(1)
			time.Sleep(20 * time.Millisecond)
		}
		m.acknowledged(batch)
		l.acks.Add(1)
		time.Sleep(l.pause)
	}
}

// send says whether a request was acknowledged.
func (l *load) send(client *http.Client, url string, body []byte) (bool, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/api/v1/events", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	res, err := client.Do(req)
	if err != nil {
		return false, nil // nobody is there, or the connection was cut
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	switch {
	case err != nil, res.StatusCode == http.StatusTooManyRequests, res.StatusCode >= 500:
		return false, nil
	case res.StatusCode != http.StatusAccepted:
		return false, fmt.Errorf("%s: %s\n%s", res.Status, text, body)
	}
	return true, nil
}
