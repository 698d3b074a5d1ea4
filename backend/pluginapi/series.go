package pluginapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/rest"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/series"
)

const (
	maxLevels  = 10
	maxSeasons = 10
	maxText    = 200
)

func (a *API) series(c *gin.Context) {
	ids := func(e contract.Extension) []string {
		out := []string{}
		for _, p := range a.host.Plugins(e) {
			out = append(out, p.ID())
		}
		return out
	}
	c.JSON(http.StatusOK, gin.H{"forecasters": ids(contract.ExtensionForecaster), "detectors": ids(contract.ExtensionDetector)})
}

func (a *API) forecast(c *gin.Context) {
	req := &contractv1.ForecastRequest{}
	p := a.named(c, contract.ExtensionForecaster)
	if p == nil || !a.read(c, maxSeries, req) || !sane(c, checkForecast(req)) {
		return
	}
	res, err := series.Forecaster{Plugin: p}.Forecast(c.Request.Context(), req)
	a.write(c, res, err)
}

func (a *API) detect(c *gin.Context) {
	req := &contractv1.DetectRequest{}
	p := a.named(c, contract.ExtensionDetector)
	if p == nil || !a.read(c, maxSeries, req) || !sane(c, checkDetect(req)) {
		return
	}
	res, err := series.Detector{Plugin: p}.Detect(c.Request.Context(), req)
	a.write(c, res, err)
}

// named finds the plugin that is to be asked.
func (a *API) named(c *gin.Context, e contract.Extension) *host.Plugin {
	id := c.Query("plugin")
	for _, p := range a.host.Plugins(e) {
		if p.ID() == id {
			return p
		}
	}
	rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", "plugin: there is no "+string(e)+" "+strconv.Quote(query.Shortened(id)))
	return nil
}

// sane refuses what Flowgauge itself would not ask a plugin.
func sane(c *gin.Context, err error) bool {
	if err != nil {
		rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", err.Error())
	}
	return err == nil
}

func checkForecast(req *contractv1.ForecastRequest) error {
	if err := checkSeries(req.GetSeries(), req.GetSeasons()); err != nil {
		return err
	}
	times := req.GetTimes()
	if n := len(times); n < 1 || n > query.MaxForecast {
		return fmt.Errorf("times: there are %d, want 1 to %d", n, query.MaxForecast)
	}
	if !ascending(times) || times[0] <= slices.Max(req.GetSeries().GetTimes()) {
		return errors.New("times: they must follow the series' and each other")
	}
	if n := len(req.GetLevels()); n < 1 || n > maxLevels {
		return fmt.Errorf("levels: there are %d, want 1 to %d", n, maxLevels)
	}
	for _, level := range req.GetLevels() {
		if !(level > 0 && level < 1) {
			return fmt.Errorf("levels: %v is not between 0 and 1", level)
		}
	}
	return nil
}

func checkDetect(req *contractv1.DetectRequest) error {
	if err := checkSeries(req.GetSeries(), req.GetSeasons()); err != nil {
		return err
	}
	if n := len(req.GetSeries().GetValues()); uint64(req.GetFrom()) >= uint64(n) {
		return fmt.Errorf("from: there is no bucket %d, the last is %d", req.GetFrom(), n-1)
	}
	if share := req.GetFalseAlarms(); !(share > 0 && share < 1) {
		return fmt.Errorf("false_alarms: %v is not between 0 and 1", share)
	}
	return nil
}

func checkSeries(s *contractv1.Series, seasons []uint32) error {
	n := len(s.GetValues())
	switch {
	case n < 1 || n > query.MaxSeries:
		return fmt.Errorf("series.values: there are %d, want 1 to %d", n, query.MaxSeries)
	case len(s.GetTimes()) != n:
		return fmt.Errorf("series.times: there are %d, for %d values", len(s.GetTimes()), n)
	case !ascending(s.GetTimes()):
		return errors.New("series.times: they must follow each other")
	case slices.ContainsFunc(s.GetValues(), func(v float64) bool { return math.IsInf(v, 0) }):
		return errors.New("series.values: one is infinite")
	case len(seasons) > maxSeasons:
		return fmt.Errorf("seasons: there are %d, %d are allowed", len(seasons), maxSeasons)
	}
	for name, text := range map[string]string{"metric": s.GetMetric(), "unit": s.GetUnit(), "granularity": s.GetGranularity(), "time_zone": s.GetTimeZone()} {
		if len(text) > maxText {
			return fmt.Errorf("series.%s: it has %d bytes, %d are allowed", name, len(text), maxText)
		}
	}
	return nil
}

func ascending(times []int64) bool {
	for i := 1; i < len(times); i++ {
		if times[i] <= times[i-1] {
			return false
		}
	}
	return true
}
