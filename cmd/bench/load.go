package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// bodyMaker makes the next body of a kind; template and spans are such.
type bodyMaker interface {
	next(dst []byte) []byte
}

// load sends bodies for a while, each connection one after another.
type load struct {
	url         string
	header      http.Header
	connections int
	bodies      []bodyMaker
	events      int          // of a body
	hold        func() bool  // while it returns true, nothing is sent
	impatient   bool         // a refused request is followed by the next at once
	accepted    atomic.Int64 // events that were acknowledged
	requests    atomic.Int64
	refused     atomic.Int64 // requests that were told to come again
}

// run sends until ctx ends. An answer that is neither 2xx nor 429 nor 503 is an
// error: the figures would be of something else.
func (l *load) run(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.connections, DisableCompression: true}}
	defer client.CloseIdleConnections()
	var (
		next  atomic.Int64
		group sync.WaitGroup
		once  sync.Once
		fault error
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range l.connections {
		group.Go(func() {
			var body []byte
			for ctx.Err() == nil {
				if l.hold != nil && l.hold() {
					time.Sleep(5 * time.Millisecond)
					continue
				}
				body = l.bodies[next.Add(1)%int64(len(l.bodies))].next(body)
				if err := l.send(ctx, client, body); err != nil && ctx.Err() == nil {
					once.Do(func() { fault = err })
					cancel()
				}
			}
		})
	}
	group.Wait()
	return fault
}

func (l *load) send(ctx context.Context, client *http.Client, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = l.header
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	switch {
	case err != nil:
		return err
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		l.refused.Add(1)
		if !l.impatient {
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	case res.StatusCode/100 != 2 || res.StatusCode == http.StatusMultiStatus:
		return fmt.Errorf("POST %s: %s: %.300s", l.url, res.Status, text)
	}
	l.requests.Add(1)
	l.accepted.Add(int64(l.events))
	return nil
}

// A measure is what a while of work came to.
type measure struct {
	events    float64
	wall      time.Duration
	server    time.Duration // processor time of what is measured
	generator time.Duration // and of this program
	lag       string        // how much was waiting at the beginning and at the end
}

func (m measure) rate() float64 { return m.events / m.wall.Seconds() }

// fair is the rate with the generator's share of the processors given back: it runs
// on the same machine, and what it takes the server cannot have.
func (m measure) fair(cores int) float64 {
	all := float64(cores) * m.wall.Seconds()
	return m.rate() * all / (all - m.generator.Seconds())
}

func (m measure) perEvent() float64 { return float64(m.server.Nanoseconds()) / m.events }

// during measures from one moment to another: what count says has been done, and
// the processor time of pids and their children.
func during(ctx context.Context, wait time.Duration, pids []int, count func() (float64, error)) (m measure, err error) {
	type reading struct {
		count             float64
		server, generator time.Duration
	}
	var before, after reading
	take := func(into *reading) error {
		if into.count, err = count(); err != nil {
			return err
		}
		into.server = 0
		for _, pid := range pids {
			c, err := cpuOf(pid)
			if err != nil {
				return err
			}
			into.server += c
		}
		into.generator, err = cpuOfOne(os.Getpid())
		return err
	}
	if err := take(&before); err != nil {
		return m, err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return m, ctx.Err()
	case <-time.After(wait):
	}
	if err := take(&after); err != nil {
		return m, err
	}
	m.wall = time.Since(began)
	m.events, m.server, m.generator = after.count-before.count, after.server-before.server, after.generator-before.generator
	if m.events <= 0 {
		return m, fmt.Errorf("nothing was done within %s", wait)
	}
	return m, nil
}
