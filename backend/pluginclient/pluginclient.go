// Package pluginclient asks the plugins of a server, which package pluginapi serves. It is for the
// Grafana plugin: that has the data, and no plugins.
package pluginclient

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

	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Root is where a server answers for its plugins.
const Root = "/api/v1/plugins"

// MediaType is that of the contract's messages.
const MediaType = "application/x-protobuf"

// Largest answer that is read of a server, in bytes.
const maxBody = 64 << 20

// Server asks the plugins of a server. The key needs the scope read and no right to data: what
// an answer is made of is sent along.
type Server struct {
	URL    string // of the server
	Key    string
	Client *http.Client

	known known
}

// refused says that the server, or a plugin of it, cannot do what it was asked.
type refused struct{ message string }

func (e *refused) Error() string { return e.message }

// Refusal is what it has said, as package query wants it.
func (e *refused) Refusal() string { return e.message }

// Kinds describes the kinds of one plugin, or of all.
func (s *Server) Kinds(ctx context.Context, plugin string) ([]query.KindInfo, error) {
	var out struct {
		Kinds []query.KindInfo `json:"kinds"`
	}
	body, err := s.ask(ctx, http.MethodGet, "/kinds?plugin="+url.QueryEscape(plugin), nil)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	return out.Kinds, aboutKind(err, plugin)
}

// Plan asks a plugin what a question needs.
func (s *Server) Plan(ctx context.Context, req *contractv1.PlanRequest, take func(*contractv1.PlanResponse) error) error {
	kind := req.GetQuestion().GetKind()
	return aboutKind(exchange(ctx, s, "/plan", query.Kind(kind).Plugin(), req, &contractv1.PlanResponse{}, take), kind)
}

// Answer lets a plugin make an answer.
func (s *Server) Answer(ctx context.Context, req *contractv1.AnswerRequest, take func(*contractv1.AnswerResponse) error) error {
	kind := req.GetQuestion().GetKind()
	return aboutKind(exchange(ctx, s, "/answer", query.Kind(kind).Plugin(), req, &contractv1.AnswerResponse{}, take), kind)
}

// aboutKind makes what was refused the kind's that was asked.
func aboutKind(err error, kind string) error {
	var no *refused
	if errors.As(err, &no) {
		return &query.RequestError{Param: "kind", Value: query.Shortened(kind), Message: no.message}
	}
	return err
}

// exchange asks a plugin. An answer that take does not take is a failure of the plugin.
func exchange[M proto.Message](ctx context.Context, s *Server, path, plugin string, req proto.Message, res M, take func(M) error) error {
	body, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	if body, err = s.ask(ctx, http.MethodPost, path, body); err != nil {
		return err
	}
	if err := proto.Unmarshal(body, res); err != nil {
		return panel.Wrong(plugin, err)
	}
	if err := take(res); err != nil {
		return panel.Wrong(plugin, err)
	}
	return nil
}

func (s *Server) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.URL, "/")+Root+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	if body != nil {
		req.Header.Set("Content-Type", MediaType)
	}
	res, err := s.Client.Do(req)
	if err != nil {
		return nil, s.away(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, s.away(ctx, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, s.problem(res, text)
	}
	return text, nil
}

// away says that the server cannot be asked, unless it is the caller who has gone.
func (s *Server) away(ctx context.Context, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // the address, which it begins with, is said better below
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &query.PluginError{Fault: query.PluginDown, Message: fmt.Sprintf("Flowgauge's server at %s, which runs plugins, cannot be asked: %v", s.URL, err)}
}

// problem reads a problem document.
func (s *Server) problem(res *http.Response, text []byte) error {
	var said struct {
		Detail string `json:"detail"`
	}
	detail := res.Status
	if json.Unmarshal(text, &said) == nil && said.Detail != "" {
		detail = panel.Sentence(said.Detail)
	}
	switch res.StatusCode {
	case http.StatusBadRequest:
		return &refused{detail}
	case http.StatusServiceUnavailable:
		return &query.PluginError{Fault: query.PluginDown, Message: detail}
	case http.StatusGatewayTimeout:
		return &query.PluginError{Fault: query.PluginLate, Message: detail}
	case http.StatusBadGateway:
		return &query.PluginError{Fault: query.PluginWrong, Message: detail}
	}
	return &query.PluginError{Fault: query.PluginDown, Message: fmt.Sprintf("Flowgauge's server at %s does not answer for its plugins: %s", s.URL, detail)}
}
