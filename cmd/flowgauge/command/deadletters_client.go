package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/api"
)

// letterClient talks to the API about dead letters.
type letterClient struct {
	base string
	key  string
	http *http.Client
}

func newLetterClient(to *target, dataDir string) (*letterClient, error) {
	u, err := url.Parse(to.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usageError{fmt.Errorf("--url is %q: give one like http://127.0.0.1:8080", to.url)}
	}
	key, err := to.key(dataDir)
	if err != nil {
		return nil, err
	}
	config, err := to.tls.Config()
	if err != nil {
		return nil, usageError{err}
	}
	return &letterClient{
		base: strings.TrimRight(to.url, "/") + api.CollectorRoot + "/dead-letters", key: key,
		http: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, MaxIdleConnsPerHost: replaysInFlight}},
	}, nil
}

// problemError is an answer that refuses a request.
type problemError struct{ api.Problem }

func (e *problemError) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	for i, fault := range e.Errors {
		if i == 3 {
			return text + "; …"
		}
		text += "; " + fault.Code + ": " + fault.Message
	}
	return text
}

// rejected says that the payload is at fault.
func (e *problemError) rejected() bool { return e.Status == http.StatusUnprocessableEntity }

// patience is how long one request is repeated while nothing is wrong with it.
const patience = 2 * time.Minute

// do sends a request, again while the server asks for it, and returns the answer.
func (c *letterClient) do(ctx context.Context, method, path, accept, contentType string, body []byte) (*http.Response, error) {
	for began := time.Now(); ; {
		req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if c.key != "" {
			req.Header.Set("Authorization", "Bearer "+c.key)
		}
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		req.Header.Set("Accept", accept)
		res, err := c.http.Do(req)
		if err != nil {
			return nil, fmt.Errorf("%w: does Flowgauge serve HTTP there? See --url", err)
		}
		if res.StatusCode < 300 {
			return res, nil
		}
		problem := readProblem(res)
		wait, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		pause := time.Duration(wait) * time.Second
		if wait == 0 || time.Since(began)+pause > patience {
			return nil, problem
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func readProblem(res *http.Response) error {
	defer res.Body.Close()
	p := &problemError{}
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || json.Unmarshal(text, &p.Problem) != nil || p.Status == 0 {
		return fmt.Errorf("the answer is %s and no problem document: is --url that of a Flowgauge?", res.Status)
	}
	return p
}

const (
	acceptJSON   = "application/json"
	acceptNDJSON = "application/x-ndjson"
)

// json decodes an answer.
func (c *letterClient) json(ctx context.Context, method, path, contentType string, body []byte, into any) error {
	res, err := c.do(ctx, method, path, acceptJSON, contentType, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// each hands over up to limit dead letters of a filter, page by page; 0 is all.
func (c *letterClient) each(ctx context.Context, query url.Values, limit int, do func(api.DeadLetter) error) (more bool, err error) {
	const page = 200
	for n := 0; ; {
		size := page
		if limit > 0 {
			size = min(page, limit-n)
		}
		query.Set("limit", strconv.Itoa(size))
		var answer struct {
			Data []api.DeadLetter `json:"data"`
			Next string           `json:"next"`
		}
		if err := c.json(ctx, http.MethodGet, "?"+query.Encode(), "", nil, &answer); err != nil {
			return false, err
		}
		for _, l := range answer.Data {
			if err := do(l); err != nil {
				return false, err
			}
		}
		n += len(answer.Data)
		if answer.Next == "" || limit > 0 && n >= limit {
			return answer.Next != "", nil
		}
		query.Set("cursor", answer.Next)
	}
}

func (c *letterClient) get(ctx context.Context, id string) (api.DeadLetter, error) {
	return c.one(ctx, http.MethodGet, id)
}

func (c *letterClient) discard(ctx context.Context, id string) (api.DeadLetter, error) {
	return c.one(ctx, http.MethodDelete, id)
}

func (c *letterClient) one(ctx context.Context, method, id string) (api.DeadLetter, error) {
	var answer struct {
		Data api.DeadLetter `json:"data"`
	}
	if err := c.json(ctx, method, "/"+url.PathEscape(id), "", nil, &answer); err != nil {
		return api.DeadLetter{}, fmt.Errorf("%s: %w", id, err)
	}
	return answer.Data, nil
}

// replay sends one dead letter again; without a body as it is.
func (c *letterClient) replay(ctx context.Context, id string, o api.ReplayOrder) (api.ReplayResult, error) {
	query := url.Values{}
	if o.DryRun {
		query.Set("dryRun", "true")
	}
	if o.AsEvents {
		query.Set("as", "events")
	}
	var answer struct {
		Data api.ReplayResult `json:"data"`
	}
	err := c.json(ctx, http.MethodPost, "/"+url.PathEscape(id)+"/replay?"+query.Encode(), o.ContentType, o.Body, &answer)
	return answer.Data, err
}

// replayAll sends those of a filter again, as they are, and hands over what became of
// each while they are sent.
func (c *letterClient) replayAll(ctx context.Context, body []byte, each func(api.ReplayResult)) (api.ReplaySummary, error) {
	res, err := c.do(ctx, http.MethodPost, "/replay", acceptNDJSON, acceptJSON, body)
	if err != nil {
		return api.ReplaySummary{}, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			api.ReplayResult
			Summary *api.ReplaySummary `json:"summary"`
			Problem *api.Problem       `json:"problem"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return api.ReplaySummary{}, fmt.Errorf("read the answer: %w", err)
		}
		switch {
		case line.Problem != nil:
			return api.ReplaySummary{}, &problemError{*line.Problem}
		case line.Summary != nil:
			return *line.Summary, nil
		}
		each(line.ReplayResult)
	}
	return api.ReplaySummary{}, errors.Join(errors.New("the answer ended early; what was replayed stays replayed: start again"), lines.Err())
}
