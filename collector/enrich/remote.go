package enrich

import (
	"context"

	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Remote asks a plugin in its process.
type Remote struct{ *host.Plugin }

// Permissions are those of its manifest.
func (r Remote) Permissions() *host.Permissions { return &r.Manifest().Permissions }

// Enrich asks the plugin, and check whether its answer is one.
func (r Remote) Enrich(ctx context.Context, events []*contract.Event, check func([]*contract.Change) error) error {
	return r.Call(ctx, contract.ExtensionEnricher, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		res, err := contractv1.NewEnricherClient(conn).Enrich(ctx, &contractv1.EnrichRequest{Events: events})
		if err != nil {
			return err
		}
		return check(res.GetChanges())
	})
}

// Price asks the plugin, and check whether its answer is one.
func (r Remote) Price(ctx context.Context, costs []*contract.Event, check func([]*contract.Price) error) error {
	return r.Call(ctx, contract.ExtensionPricer, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		res, err := contractv1.NewPricerClient(conn).Price(ctx, &contractv1.PriceRequest{Costs: costs})
		if err != nil {
			return err
		}
		return check(res.GetPrices())
	})
}

// Local asks an enricher of this process.
type Local struct {
	Name     string
	Enricher contract.Enricher
	May      host.Permissions
}

// ID is its name.
func (l *Local) ID() string { return l.Name }

// OnFailure is to skip: what is part of Flowgauge does not keep it from working.
func (l *Local) OnFailure() host.Policy { return host.Skip }

// Permissions are what it may do.
func (l *Local) Permissions() *host.Permissions { return &l.May }

// Enrich asks it.
func (l *Local) Enrich(ctx context.Context, events []*contract.Event, check func([]*contract.Change) error) error {
	changes, err := l.Enricher.Enrich(ctx, events)
	if err != nil {
		return err
	}
	return check(changes)
}
