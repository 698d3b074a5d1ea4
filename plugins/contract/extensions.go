package contract

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// The messages that plugins in Go are written with, by short names.
type (
	// Event is an event.
	Event = contractv1.Event
	// Change is what becomes of an event.
	Change = contractv1.Change
	// Price is what a cost costs.
	Price = contractv1.Price
	// Table is an answer to a question.
	Table = contractv1.Table
	// Series is a metric in buckets of time.
	Series = contractv1.Series
)

// An Enricher changes, drops and adds events. What it says of an event must depend on that
// event and on the settings alone: after a crash a batch comes again.
//
// Like all extensions it is called by several goroutines at once.
type Enricher interface {
	Enrich(ctx context.Context, events []*Event) ([]*Change, error)
}

// A Pricer says what costs cost.
type Pricer interface {
	Price(ctx context.Context, costs []*Event) ([]*Price, error)
}

// A Source makes events of what a platform sends or is asked for. One that only does one of the
// two embeds NoReceive or NoPull.
type Source interface {
	Receive(ctx context.Context, req *contractv1.ReceiveRequest) (*contractv1.ReceiveResponse, error)
	Pull(ctx context.Context, req *contractv1.PullRequest) (*contractv1.PullResponse, error)
}

// NoReceive is of a source that nothing is sent to.
type NoReceive struct{}

// Receive says so.
func (NoReceive) Receive(context.Context, *contractv1.ReceiveRequest) (*contractv1.ReceiveResponse, error) {
	return nil, status.Error(codes.Unimplemented, "nothing can be sent to this source")
}

// NoPull is of a source that is not asked.
type NoPull struct{}

// Pull says so.
func (NoPull) Pull(context.Context, *contractv1.PullRequest) (*contractv1.PullResponse, error) {
	return nil, status.Error(codes.Unimplemented, "this source is sent to, and not asked")
}

// An Exporter takes answers out of Flowgauge. The same delivery may come twice.
type Exporter interface {
	Export(ctx context.Context, req *contractv1.ExportRequest) (*contractv1.ExportResponse, error)
}

// A Notifier brings messages to people. The same message may come twice.
type Notifier interface {
	Notify(ctx context.Context, message *contractv1.NotifyRequest) error
}

// A Forecaster says how series go on.
type Forecaster interface {
	Forecast(ctx context.Context, req *contractv1.ForecastRequest) (*contractv1.ForecastResponse, error)
}

// A Detector says what is unusual in series.
type Detector interface {
	Detect(ctx context.Context, req *contractv1.DetectRequest) (*contractv1.DetectResponse, error)
}

// A Panel answers questions of kinds of its own.
type Panel interface {
	Describe(ctx context.Context) ([]*contractv1.QueryKind, error)
	Plan(ctx context.Context, question *contractv1.Question) (requests []string, err error)
	Answer(ctx context.Context, question *contractv1.Question, tables []*Table) (*contractv1.AnswerResponse, error)
}

// An extended is an extension that a plugin serves.
type extended struct {
	extension Extension
	register  func(*grpc.Server)
}

// served are the extensions that the plugin has.
func (p *Plugin) served() []extended {
	var all []extended
	add := func(there bool, e Extension, register func(*grpc.Server)) {
		if there {
			all = append(all, extended{e, register})
		}
	}
	add(p.Enricher != nil, ExtensionEnricher, func(s *grpc.Server) { contractv1.RegisterEnricherServer(s, &enricher{of: p.Enricher}) })
	add(p.Pricer != nil, ExtensionPricer, func(s *grpc.Server) { contractv1.RegisterPricerServer(s, &pricer{of: p.Pricer}) })
	add(p.Source != nil, ExtensionSource, func(s *grpc.Server) { contractv1.RegisterSourceServer(s, &source{of: p.Source}) })
	add(p.Exporter != nil, ExtensionExporter, func(s *grpc.Server) { contractv1.RegisterExporterServer(s, &exporter{of: p.Exporter}) })
	add(p.Notifier != nil, ExtensionNotifier, func(s *grpc.Server) { contractv1.RegisterNotifierServer(s, &notifier{of: p.Notifier}) })
	add(p.Forecaster != nil, ExtensionForecaster, func(s *grpc.Server) { contractv1.RegisterForecasterServer(s, &forecaster{of: p.Forecaster}) })
	add(p.Detector != nil, ExtensionDetector, func(s *grpc.Server) { contractv1.RegisterDetectorServer(s, &detector{of: p.Detector}) })
	add(p.Panel != nil, ExtensionPanel, func(s *grpc.Server) { contractv1.RegisterPanelServer(s, &panel{of: p.Panel}) })
	return all
}

// answered is what a plugin has said, as gRPC wants it.
func answered[T any](answer *T, err error) (*T, error) {
	if err != nil {
		return nil, failed(err)
	}
	if answer == nil {
		answer = new(T)
	}
	return answer, nil
}

type enricher struct {
	contractv1.UnimplementedEnricherServer
	of Enricher
}

func (e *enricher) Enrich(ctx context.Context, req *contractv1.EnrichRequest) (*contractv1.EnrichResponse, error) {
	changes, err := e.of.Enrich(ctx, req.GetEvents())
	return answered(&contractv1.EnrichResponse{Changes: changes}, err)
}

type pricer struct {
	contractv1.UnimplementedPricerServer
	of Pricer
}

func (p *pricer) Price(ctx context.Context, req *contractv1.PriceRequest) (*contractv1.PriceResponse, error) {
	prices, err := p.of.Price(ctx, req.GetCosts())
	return answered(&contractv1.PriceResponse{Prices: prices}, err)
}

type source struct {
	contractv1.UnimplementedSourceServer
	of Source
}

func (s *source) Receive(ctx context.Context, req *contractv1.ReceiveRequest) (*contractv1.ReceiveResponse, error) {
	return answered(s.of.Receive(ctx, req))
}

func (s *source) Pull(ctx context.Context, req *contractv1.PullRequest) (*contractv1.PullResponse, error) {
	return answered(s.of.Pull(ctx, req))
}

type exporter struct {
	contractv1.UnimplementedExporterServer
	of Exporter
}

func (e *exporter) Export(ctx context.Context, req *contractv1.ExportRequest) (*contractv1.ExportResponse, error) {
	return answered(e.of.Export(ctx, req))
}

type notifier struct {
	contractv1.UnimplementedNotifierServer
	of Notifier
}

func (n *notifier) Notify(ctx context.Context, req *contractv1.NotifyRequest) (*contractv1.NotifyResponse, error) {
	return answered(&contractv1.NotifyResponse{}, n.of.Notify(ctx, req))
}

type forecaster struct {
	contractv1.UnimplementedForecasterServer
	of Forecaster
}

func (f *forecaster) Forecast(ctx context.Context, req *contractv1.ForecastRequest) (*contractv1.ForecastResponse, error) {
	return answered(f.of.Forecast(ctx, req))
}

type detector struct {
	contractv1.UnimplementedDetectorServer
	of Detector
}

func (d *detector) Detect(ctx context.Context, req *contractv1.DetectRequest) (*contractv1.DetectResponse, error) {
	return answered(d.of.Detect(ctx, req))
}

type panel struct {
	contractv1.UnimplementedPanelServer
	of Panel
}

func (p *panel) Describe(ctx context.Context, _ *contractv1.DescribeRequest) (*contractv1.DescribeResponse, error) {
	kinds, err := p.of.Describe(ctx)
	return answered(&contractv1.DescribeResponse{Kinds: kinds}, err)
}

func (p *panel) Plan(ctx context.Context, req *contractv1.PlanRequest) (*contractv1.PlanResponse, error) {
	requests, err := p.of.Plan(ctx, req.GetQuestion())
	return answered(&contractv1.PlanResponse{Requests: requests}, err)
}

func (p *panel) Answer(ctx context.Context, req *contractv1.AnswerRequest) (*contractv1.AnswerResponse, error) {
	return answered(p.of.Answer(ctx, req.GetQuestion(), req.GetTables()))
}
