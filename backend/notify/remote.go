package notify

import (
	"context"

	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Remote asks a plugin in its process.
type Remote struct{ *host.Plugin }

// Notify asks the plugin.
func (r Remote) Notify(ctx context.Context, message *contractv1.NotifyRequest) error {
	return r.Call(ctx, contract.ExtensionNotifier, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		_, err := contractv1.NewNotifierClient(conn).Notify(ctx, message)
		return err
	})
}
