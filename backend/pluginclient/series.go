package pluginclient

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/series/sound"
)

// listTTL is how long it may take until plugins that a server has got are known. A server gets
// them when it is started.
const listTTL = 10 * time.Second

// known are the plugins of a server that are asked about series.
type known struct {
	mu    sync.Mutex
	until time.Time
	ids   ids
}

type ids struct {
	Forecasters []string `json:"forecasters"`
	Detectors   []string `json:"detectors"`
}

// Forecasters are those of the server, for query.Config.
func (s *Server) Forecasters(ctx context.Context) (map[string]query.Forecaster, error) {
	now, err := s.list(ctx)
	out := map[string]query.Forecaster{}
	for _, id := range now.Forecasters {
		out[id] = asked{s, id}
	}
	return out, err
}

// Detectors are those of the server, for query.Config.
func (s *Server) Detectors(ctx context.Context) (map[string]query.Detector, error) {
	now, err := s.list(ctx)
	out := map[string]query.Detector{}
	for _, id := range now.Detectors {
		out[id] = asked{s, id}
	}
	return out, err
}

// list asks without the lock, so that a server which does not answer keeps nobody waiting for
// another.
func (s *Server) list(ctx context.Context) (ids, error) {
	s.known.mu.Lock()
	now, fresh := s.known.ids, time.Now().Before(s.known.until)
	s.known.mu.Unlock()
	if fresh {
		return now, nil
	}
	now = ids{}
	body, err := s.ask(ctx, http.MethodGet, "/series", nil)
	if err != nil {
		return now, err
	}
	if err := json.Unmarshal(body, &now); err != nil {
		return ids{}, err
	}
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	s.known.ids, s.known.until = now, time.Now().Add(listTTL)
	return now, nil
}

// asked is one of the server's plugins.
type asked struct {
	server *Server
	id     string
}

// Forecast asks how a series goes on.
func (a asked) Forecast(ctx context.Context, req *contractv1.ForecastRequest) (*contractv1.ForecastResponse, error) {
	res := &contractv1.ForecastResponse{}
	err := exchange(ctx, a.server, "/forecast?plugin="+url.QueryEscape(a.id), a.id, req, res, func(res *contractv1.ForecastResponse) error {
		return sound.Forecast(req, res)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// Detect asks what is unusual in a series.
func (a asked) Detect(ctx context.Context, req *contractv1.DetectRequest) (*contractv1.DetectResponse, error) {
	res := &contractv1.DetectResponse{}
	err := exchange(ctx, a.server, "/detect?plugin="+url.QueryEscape(a.id), a.id, req, res, func(res *contractv1.DetectResponse) error {
		return sound.Anomalies(req, res)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
