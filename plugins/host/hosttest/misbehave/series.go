package main

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// start misbehaves where it has to before there is an answer.
func (p *plugin) start(s *contract.Series) (how string, err error) {
	how = p.Metrics[s.GetMetric()]
	switch how {
	case "crash":
		os.Exit(7)
	case "hang":
		select {}
	case "error":
		return how, errors.New("the model is not loaded")
	case "refused":
		return how, status.Error(codes.InvalidArgument, "it wants a year of history")
	}
	return how, nil
}

// Forecast says the last value, give or take one, and is wrong as it is told.
func (p *plugin) Forecast(_ context.Context, req *contractv1.ForecastRequest) (*contractv1.ForecastResponse, error) {
	how, err := p.start(req.GetSeries())
	if err != nil {
		return nil, err
	}
	last := 0.0
	for _, v := range req.GetSeries().GetValues() {
		if !math.IsNaN(v) {
			last = v
		}
	}
	all := func(v float64) []float64 { return slices.Repeat([]float64{v}, len(req.GetTimes())) }
	res := &contractv1.ForecastResponse{Values: all(last), Method: p.Mark}
	for _, level := range req.GetLevels() {
		res.Intervals = append(res.Intervals, &contractv1.Interval{Level: level, Lower: all(max(0, last-1)), Upper: all(last + 1)})
	}
	first := res.GetIntervals()[0]
	switch how {
	case "nan":
		res.Values[0] = math.NaN()
	case "infinite":
		first.Upper[0] = math.Inf(1)
	case "few":
		res.Values = res.GetValues()[1:]
	case "crossed":
		first.Lower, first.Upper = first.GetUpper(), first.GetLower()
	case "negative":
		first.Lower[0] = -1
	case "level":
		first.Level = 0.5
	case "none":
		res.Intervals = nil
	case "bounds":
		first.Lower = first.GetLower()[1:]
	case "total":
		res.Total = []*contractv1.Interval{{Level: 0.8, Lower: []float64{0}, Upper: []float64{0}}, {Level: 0.95, Lower: []float64{0}, Upper: []float64{0}}}
	case "text":
		res.Method = strings.Repeat("x", 201)
	}
	return res, nil
}

// Detect says that the first bucket is unusual, and is wrong as it is told.
func (p *plugin) Detect(_ context.Context, req *contractv1.DetectRequest) (*contractv1.DetectResponse, error) {
	how, err := p.start(req.GetSeries())
	if err != nil {
		return nil, err
	}
	one := &contractv1.Anomaly{Index: req.GetFrom(), Expected: 1, Lower: 0, Upper: 2, Score: 3, Reason: p.Mark}
	all := []*contractv1.Anomaly{one}
	switch how {
	case "nan":
		one.Score = math.NaN()
	case "infinite":
		one.Upper = math.Inf(1)
	case "few":
		one.Index = uint32(len(req.GetSeries().GetValues()))
	case "level":
		one.Index = req.GetFrom() - 1
	case "crossed":
		one.Lower, one.Upper = 2, 1
	case "negative":
		one.Score = -1
	case "bounds":
		all = append(all, one)
	case "none":
		for i, v := range req.GetSeries().GetValues() {
			if math.IsNaN(v) {
				one.Index = uint32(i)
			}
		}
	case "total":
		one.Reason = strings.Repeat("x", 501)
	case "text":
		return &contractv1.DetectResponse{Method: strings.Repeat("x", 201)}, nil
	}
	return &contractv1.DetectResponse{Anomalies: all, Method: p.Mark}, nil
}
