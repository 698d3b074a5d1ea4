package api

import (
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

type requestMetrics struct {
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newRequestMetrics(reg prometheus.Registerer) (*requestMetrics, error) {
	m := &requestMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "flowgauge_api_request_duration_seconds",
			Help:    "Time to answer requests to the REST API, by route, method and status.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		}, []string{"route", "method", "code"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flowgauge_api_requests_in_flight",
			Help: "Requests to the REST API that are being answered.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.duration, m.inFlight} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// observe measures a request. The route is the pattern, so that there are as
// many series as endpoints.
func (m *requestMetrics) observe(c *gin.Context) {
	began := time.Now()
	m.inFlight.Inc()
	defer func() {
		m.inFlight.Dec()
		if c.GetBool(streamKey) {
			return // How long somebody looks on says nothing about the server.
		}
		m.duration.WithLabelValues(c.FullPath(), c.Request.Method, strconv.Itoa(c.Writer.Status())).Observe(time.Since(began).Seconds())
	}()
	c.Next()
}
