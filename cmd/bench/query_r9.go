package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/collector/simulate"
)

const queryPath = "/api/v1/analytics/query"

// dashboards measures R9: viewers with a dashboard each, who ask for one panel after
// another, beside a bare net/http that sends the same bytes to as many.
func (b *queryBench) dashboards(ctx context.Context) error {
	f, err := startFlowgauge(ctx, b.binary, filepath.Join(b.dir, "flowgauge"), "FLOWGAUGE_TENANT="+benchTenant)
	if err != nil {
		return err
	}
	defer f.stop()
	end := time.Now().UTC().Truncate(24 * time.Hour)
	if err := f.fill(ctx, end); err != nil {
		return err
	}
	keys, err := f.viewers(ctx, b.scopes)
	if err != nil {
		return err
	}
	panels := panelRequests(end)
	answers := map[string][]byte{} // by key and question
	for _, key := range keys {
		for _, panel := range panels {
			if answers[key+string(panel)], err = f.post(ctx, key, queryPath, "application/json", panel); err != nil {
				return err
			}
		}
	}
	bare, err := startBare(ctx, b.dir, answers)
	if err != nil {
		return err
	}
	defer bare.stop()
	b.say("%d viewers on as many connections, %d scopes, %d panels of %d bytes on average", b.viewers, len(keys), len(panels), size(answers)/len(answers))
	b.say("\n%-24s %12s %14s %10s %10s %8s", "", "answers/s", "µs of server", "p50", "p95", "errors")
	var cost [2][]float64
	var slow time.Duration
	failed := 0
	for range b.rounds {
		for i, side := range []struct {
			name, url string
			pid       int
		}{
			{"from the cache", f.url, f.cmd.Process.Pid},
			{"bare net/http", bare.url, bare.cmd.Process.Pid},
		} {
			l := viewerLoad{url: side.url, keys: keys, panels: panels, viewers: b.viewers}
			before, err := cpuOfOne(side.pid) // not that of the database, which has other things to do than to answer
			if err != nil {
				return err
			}
			l.run(ctx, b.seconds)
			after, err := cpuOfOne(side.pid)
			if err != nil {
				return err
			}
			if len(l.took) == 0 {
				return fmt.Errorf("%s: no answer, %d errors: %w", side.name, l.failed, l.fault)
			}
			each := float64((after - before).Microseconds()) / float64(len(l.took))
			cost[i] = append(cost[i], each)
			p95 := quantile(l.took, 0.95)
			if i == 0 {
				slow, failed = max(slow, p95), failed+l.failed
			}
			b.say("%-24s %12.0f %14.1f %8.0fms %8.0fms %8d", side.name, float64(len(l.took))/b.seconds.Seconds(), each, ms(quantile(l.took, 0.5)), ms(p95), l.failed)
			if l.fault != nil {
				b.say("    %v", l.fault)
			}
		}
	}
	for i := range cost {
		slices.Sort(cost[i])
	}
	b.say("R9  panel requests from the cache ÷ bare net/http, for a processor's second   %.2f   (wanted 0.5)", cost[1][len(cost[1])/2]/cost[0][len(cost[0])/2])
	b.say("R9  p95 of panel requests   %.0f ms, %d errors   (wanted below 2000 ms, none)", ms(slow), failed)
	return nil
}

func size(all map[string][]byte) (n int) {
	for _, a := range all {
		n += len(a)
	}
	return n
}

// fill sends three days of a simulated platform and waits until they are rolled up.
func (f *flowgauge) fill(ctx context.Context, end time.Time) error {
	platform, err := simulate.New(simulate.Config{Seed: 1, Scale: 1})
	if err != nil {
		return err
	}
	sent := 0
	for chunk := range platform.History(end.Add(-72*time.Hour), end) {
		for text, n := range chunk.Split(1000, 4<<20) {
			if _, err := f.post(ctx, f.key, "/api/v1/events", "application/x-ndjson", text); err != nil {
				return err
			}
			sent += n
		}
	}
	for {
		answer, err := f.post(ctx, f.key, queryPath, "application/json", fmt.Appendf(nil,
			`{"metrics":["executions","pending_buckets"],"from":%q,"to":%q}`, end.Add(-72*time.Hour).Format(time.RFC3339), end.Format(time.RFC3339)))
		if err != nil {
			return err
		}
		var got struct {
			Data []struct {
				Executions float64 `json:"executions"`
				Pending    float64 `json:"pending_buckets"`
			} `json:"data"`
		}
		if err := json.Unmarshal(answer, &got); err != nil {
			return err
		}
		if len(got.Data) == 1 && got.Data[0].Executions > 0 && got.Data[0].Pending == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// post sends a request and returns its answer.
func (f *flowgauge) post(ctx context.Context, key, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("POST %s: %s: %.300s", path, res.Status, text)
	}
	return text, err
}

// viewers makes a key of each scope: one that sees all, the others a user's rows.
func (f *flowgauge) viewers(ctx context.Context, scopes int) ([]string, error) {
	keys := []string{f.key}
	for i := 1; i < scopes; i++ {
		text, err := f.post(ctx, f.key, "/api/v1/keys", "application/json", fmt.Appendf(nil, `{"name":"viewer %d","scopes":["read"],"role":"viewer","userId":"user-%d"}`, i, i))
		if err != nil {
			return nil, err
		}
		var made struct {
			Secret string `json:"secret"`
		}
		if err := json.Unmarshal(text, &made); err != nil {
			return nil, err
		}
		keys = append(keys, made.Secret)
	}
	return keys, nil
}

// panelRequests are the bodies of a dashboard's questions about the last 72 hours.
func panelRequests(end time.Time) (out [][]byte) {
	for _, q := range []string{
		`"metrics":["executions","success_rate","duration_p95"]`,
		`"metrics":["executions_completed","executions_failed"],"granularity":"hour"`,
		`"metrics":["duration_p50","duration_p95"],"granularity":"hour"`,
		`"metrics":["executions_failed"],"granularity":"hour","groupBy":["error_type"]`,
		`"metrics":["executions","duration_p95"],"groupBy":["workflow"],"limit":10`,
		`"metrics":["executions"],"granularity":"hour","groupBy":["trigger_type"]`,
		`"metrics":["dollars"],"granularity":"day","groupBy":["action_type"]`,
		`"metrics":["dollars","credits"]`,
		`"metrics":["steps","step_failure_rate"],"granularity":"hour"`,
		`"metrics":["step_duration_p95"],"groupBy":["workflow","step"],"limit":10`,
		`"metrics":["active_users"],"granularity":"day"`,
		`"metrics":["actions"],"granularity":"hour","groupBy":["action"]`,
	} {
		out = append(out, fmt.Appendf(nil, `{%s,"from":%q,"to":%q}`, q, end.Add(-72*time.Hour).Format(time.RFC3339), end.Format(time.RFC3339)))
	}
	return out
}

// A viewerLoad is viewers who each ask for the next panel when they have one.
type viewerLoad struct {
	url     string
	keys    []string
	panels  [][]byte
	viewers int

	mu     sync.Mutex
	took   []time.Duration
	failed int
	fault  error
}

func (l *viewerLoad) run(ctx context.Context, d time.Duration) {
	transport := &http.Transport{
		MaxIdleConns: l.viewers, MaxIdleConnsPerHost: l.viewers, MaxConnsPerHost: l.viewers, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var group sync.WaitGroup
	for v := range l.viewers {
		group.Go(func() { l.watch(ctx, client, v) })
	}
	group.Wait()
}

func (l *viewerLoad) watch(ctx context.Context, client *http.Client, viewer int) {
	var took []time.Duration
	failed := 0
	var fault error
	for i := viewer; ctx.Err() == nil; i++ {
		began := time.Now()
		err := l.ask(ctx, client, l.keys[viewer%len(l.keys)], l.panels[i%len(l.panels)])
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failed, fault = failed+1, err
		default:
			took = append(took, time.Since(began))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took, l.failed = append(l.took, took...), l.failed+failed
	if fault != nil {
		l.fault = fault
	}
}

func (l *viewerLoad) ask(ctx context.Context, client *http.Client, key string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+queryPath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return err
}

// A bareServer is this program again, as net/http with answers in a map.
type bareServer struct {
	cmd *exec.Cmd
	url string
}

func startBare(ctx context.Context, dir string, answers map[string][]byte) (*bareServer, error) {
	text, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "answers.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &bareServer{cmd: exec.CommandContext(ctx, self, "bare", path)} //nolint:gosec // this program
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if s.url, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		s.stop()
		return nil, fmt.Errorf("start the bare server: %w", err)
	}
	s.url = strings.TrimSpace(s.url)
	return s, nil
}

func (s *bareServer) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// newBare is the command that the bare server is.
func newBare() *cobra.Command {
	return &cobra.Command{
		Use: "bare ANSWERS", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return serveBare(args[0]) },
	}
}

func serveBare(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	answers := map[string][]byte{}
	if err := json.Unmarshal(text, &answers); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		answer := answers[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+string(body)]
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
	})}
	return server.Serve(l)
}
