package panel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Root is where a server answers for its plugins.
const Root = "/api/v1/plugins"

// MediaType is that of the contract's messages.
const MediaType = "application/x-protobuf"

// Largest answer that is read of a server, in bytes.
const maxBody = 64 << 20

// Remote asks the plugins of a server. The key needs the scope read and no right to data: what
// an answer is made of is sent along.
type Remote struct {
	URL    string // of the server
	Key    string
	Client *http.Client
}

// Kinds describes the kinds of one plugin, or of all.
func (r *Remote) Kinds(ctx context.Context, plugin string) ([]query.KindInfo, error) {
	var out struct {
		Kinds []query.KindInfo `json:"kinds"`
	}
	body, err := r.ask(ctx, http.MethodGet, "/kinds?plugin="+url.QueryEscape(plugin), nil, plugin)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	return out.Kinds, err
}

// Plan asks a plugin what a question needs.
func (r *Remote) Plan(ctx context.Context, req *contractv1.PlanRequest, take func(*contractv1.PlanResponse) error) error {
	return exchange(ctx, r, "/plan", req.GetQuestion().GetKind(), req, &contractv1.PlanResponse{}, take)
}

// Answer lets a plugin make an answer.
func (r *Remote) Answer(ctx context.Context, req *contractv1.AnswerRequest, take func(*contractv1.AnswerResponse) error) error {
	return exchange(ctx, r, "/answer", req.GetQuestion().GetKind(), req, &contractv1.AnswerResponse{}, take)
}

func exchange[M proto.Message](ctx context.Context, r *Remote, path, kind string, req proto.Message, res M, take func(M) error) error {
	body, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	if body, err = r.ask(ctx, http.MethodPost, path, body, kind); err != nil {
		return err
	}
	plugin := query.Kind(kind).Plugin()
	if err := proto.Unmarshal(body, res); err != nil {
		return Wrong(plugin, err)
	}
	if err := take(res); err != nil {
		return Wrong(plugin, err)
	}
	return nil
}

func (r *Remote) ask(ctx context.Context, method, path string, body []byte, about string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.URL, "/")+Root+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.Key)
	if body != nil {
		req.Header.Set("Content-Type", MediaType)
	}
	res, err := r.Client.Do(req)
	if err != nil {
		return nil, r.away(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, r.away(ctx, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, r.problem(res, text, about)
	}
	return text, nil
}

// away says that the server cannot be asked, unless it is the caller who has gone.
func (r *Remote) away(ctx context.Context, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // the address, which it begins with, is said better below
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &query.PluginError{Fault: query.PluginDown, Message: fmt.Sprintf("Flowgauge's server at %s, which runs plugins, cannot be asked: %v", r.URL, err)}
}

// problem reads a problem document.
func (r *Remote) problem(res *http.Response, text []byte, about string) error {
	var said struct {
		Detail string `json:"detail"`
	}
	detail := res.Status
	if json.Unmarshal(text, &said) == nil && said.Detail != "" {
		detail = Sentence(said.Detail)
	}
	switch res.StatusCode {
	case http.StatusBadRequest:
		return &query.RequestError{Param: "kind", Value: query.Shortened(about), Message: detail}
	case http.StatusServiceUnavailable:
		return &query.PluginError{Fault: query.PluginDown, Message: detail}
	case http.StatusGatewayTimeout:
		return &query.PluginError{Fault: query.PluginLate, Message: detail}
	case http.StatusBadGateway:
		return &query.PluginError{Fault: query.PluginWrong, Message: detail}
	}
	return &query.PluginError{Fault: query.PluginDown, Message: fmt.Sprintf("Flowgauge's server at %s does not answer for its plugins: %s", r.URL, detail)}
}
