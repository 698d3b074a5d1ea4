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

// Permissions are those of the version that runs now.
func (r Remote) Permissions() *host.Permissions { return &r.Manifest().Permissions }

// Enrich asks the plugin.
func (r Remote) Enrich(ctx context.Context, request func(*host.Permissions) []*contract.Event, take func([]*contract.Change) error) error {
	return r.Call(ctx, contract.ExtensionEnricher, func(ctx context.Context, conn grpc.ClientConnInterface, m *host.Manifest) error {
		events := request(&m.Permissions)
		if len(events) == 0 {
			return nil
		}
		res, err := contractv1.NewEnricherClient(conn).Enrich(ctx, &contractv1.EnrichRequest{Events: events})
		if err != nil {
			return err
		}
		return take(res.GetChanges())
	})
}

// Price asks the plugin.
func (r Remote) Price(ctx context.Context, request func(*host.Permissions) []*contract.Event, take func([]*contract.Price) error) error {
	return r.Call(ctx, contract.ExtensionPricer, func(ctx context.Context, conn grpc.ClientConnInterface, m *host.Manifest) error {
		costs := request(&m.Permissions)
		if len(costs) == 0 {
			return nil
		}
		res, err := contractv1.NewPricerClient(conn).Price(ctx, &contractv1.PriceRequest{Costs: costs})
		if err != nil {
			return err
		}
		return take(res.GetPrices())
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
func (l *Local) Enrich(ctx context.Context, request func(*host.Permissions) []*contract.Event, take func([]*contract.Change) error) error {
	events := request(&l.May)
	if len(events) == 0 {
		return nil
	}
	changes, err := l.Enricher.Enrich(ctx, events)
	if err != nil {
		return err
	}
	return take(changes)
}
