package export

import (
	"context"

	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Remote asks a plugin in its process.
type Remote struct{ *host.Plugin }

// Export gives the plugin a part of an answer.
func (r Remote) Export(ctx context.Context, req *contractv1.ExportRequest) (res *contractv1.ExportResponse, err error) {
	err = r.Call(ctx, contract.ExtensionExporter, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		res, err = contractv1.NewExporterClient(conn).Export(ctx, req)
		return err
	})
	return res, err
}
