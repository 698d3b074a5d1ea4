// Package series asks plugins about series: forecasters how they go on, and detectors what is
// unusual in them. An answer that breaks the contract is none: it counts as a failure of the
// plugin.
package series

import (
	"context"

	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/series/sound"
)

// Forecaster asks a plugin in its process.
type Forecaster struct{ *host.Plugin }

var _ contract.Forecaster = Forecaster{}

// Forecast asks the plugin.
func (f Forecaster) Forecast(ctx context.Context, req *contractv1.ForecastRequest) (res *contractv1.ForecastResponse, err error) {
	err = f.Call(ctx, contract.ExtensionForecaster, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) (err error) {
		if res, err = contractv1.NewForecasterClient(conn).Forecast(ctx, req); err != nil {
			return err
		}
		return sound.Forecast(req, res)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// Detector asks a plugin in its process.
type Detector struct{ *host.Plugin }

var _ contract.Detector = Detector{}

// Detect asks the plugin.
func (d Detector) Detect(ctx context.Context, req *contractv1.DetectRequest) (res *contractv1.DetectResponse, err error) {
	err = d.Call(ctx, contract.ExtensionDetector, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) (err error) {
		if res, err = contractv1.NewDetectorClient(conn).Detect(ctx, req); err != nil {
			return err
		}
		return sound.Anomalies(req, res)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
