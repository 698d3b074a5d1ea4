package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/stats/anomaly"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Detector says what is unusual in series: the contract's extension of that name. Its answers
// are known to be sound.
type Detector interface {
	Detect(ctx context.Context, req *contractv1.DetectRequest) (*contractv1.DetectResponse, error)
}

// Detectors tells which there are now beside Flowgauge's own, by the names that questions call
// them by; nil: there are none.
type Detectors func(ctx context.Context) (map[string]Detector, error)

// Names are all that may be asked for, as far as that is known now.
func (d Detectors) Names(ctx context.Context) []string { return names(ctx, d) }

func (d Detectors) named(ctx context.Context, param, name string) (Detector, error) {
	if name == Builtin {
		return ownDetector{}, nil
	}
	return lookup(ctx, d, "detector", param, name)
}

// refused makes what a detector refuses the asker's to mend.
func (d Detectors) refused(ctx context.Context, param, name string, err error) error {
	var no refusal
	if errors.As(err, &no) {
		return requestError(param, name, "the detector cannot judge this: "+Shortened(no.Refusal()), "", d.Names(ctx)...)
	}
	return err
}

// ownDetector is Flowgauge's. It names usual values as well, so that their bounds are known.
type ownDetector struct{}

// Detect judges by the series' own past.
func (ownDetector) Detect(_ context.Context, req *contractv1.DetectRequest) (*contractv1.DetectResponse, error) {
	s := req.GetSeries()
	o := anomaly.Options{From: int(req.GetFrom()), FalseAlarms: req.GetFalseAlarms(), Counts: s.GetUnit() == "short"}
	for _, season := range req.GetSeasons() {
		o.Seasons = append(o.Seasons, int(season))
	}
	judged, err := anomaly.Detect(s.GetValues(), o)
	if err != nil {
		return nil, err
	}
	res := &contractv1.DetectResponse{Method: "median of the last buckets"}
	if judged.Season > 0 {
		res.Method = fmt.Sprintf("medians by phase of a pattern of %d buckets", judged.Season)
	}
	for i := range judged.Values {
		j := &judged.Values[i]
		a := &contractv1.Anomaly{Index: uint32(j.Index), Expected: j.Expected, Lower: j.Lower, Upper: j.Upper, Score: j.Score}
		switch v := s.GetValues()[j.Index]; {
		case !j.Unusual():
			a.Score = min(a.Score, justUsual)
		case v > j.Expected:
			a.Reason = fmt.Sprintf("%.4g is more than the usual %.4g to %.4g", v, j.Lower, j.Upper)
		default:
			a.Reason = fmt.Sprintf("%.4g is less than the usual %.4g to %.4g", v, j.Lower, j.Upper)
		}
		res.Anomalies = append(res.Anomalies, a)
	}
	return res, nil
}

// justUsual is the score of what lies on its bound, the largest below that of an anomaly.
const justUsual = 1 - 1e-9
