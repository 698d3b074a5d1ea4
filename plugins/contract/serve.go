package contract

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime/debug"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Plugin is what a process serves: one plugin, which may extend Flowgauge in several ways.
type Plugin struct {
	ID, Version string // those of the manifest

	// Configure is told the plugin's settings, before anything else; nil is a plugin without any.
	Configure func(settings json.RawMessage) error

	Enricher   Enricher
	Pricer     Pricer
	Source     Source
	Exporter   Exporter
	Notifier   Notifier
	Forecaster Forecaster
	Detector   Detector
	Panel      Panel
}

// endWithHost ends the process when its parent has gone: a Flowgauge that was killed has told
// nobody to end, and each start would leave plugins behind.
func endWithHost(parent int) {
	for range time.Tick(time.Second) {
		if os.Getppid() != parent {
			os.Exit(1)
		}
	}
}

// Serve serves a plugin until Flowgauge ends it. It is all that main does.
func Serve(p Plugin) {
	go endWithHost(os.Getppid())
	// Batches are garbage as soon as they are answered, and little else lives: by default the
	// collector would run for each of them.
	debug.SetGCPercent(1000)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: Handshake,
		Plugins:         plugin.PluginSet{Name: &Service{plugin: p}},
		// Of go-plugin itself an operator wants to know only what went wrong.
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage), grpc.ForceServerCodecV2(trusting),
				grpc.InitialWindowSize(Window), grpc.InitialConnWindowSize(Window), grpc.ReadBufferSize(Buffer), grpc.WriteBufferSize(Buffer))...)
		},
	})
}

// Service is the contract in go-plugin's terms: of a plugin it registers what is served, and
// Flowgauge gets the connection, over which it speaks with every service.
type Service struct {
	plugin.NetRPCUnsupportedPlugin
	plugin Plugin
}

// GRPCServer registers the plugin's services.
func (s *Service) GRPCServer(_ *plugin.GRPCBroker, to *grpc.Server) error {
	contractv1.RegisterPluginServer(to, &about{plugin: s.plugin})
	for _, e := range s.plugin.served() {
		e.register(to)
	}
	return nil
}

// GRPCClient returns the connection.
func (s *Service) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

type about struct {
	contractv1.UnimplementedPluginServer
	plugin Plugin
}

func (a *about) Configure(_ context.Context, req *contractv1.ConfigureRequest) (*contractv1.ConfigureResponse, error) {
	if a.plugin.Configure != nil {
		if err := a.plugin.Configure(json.RawMessage(req.GetSettings())); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
	}
	res := &contractv1.ConfigureResponse{Id: a.plugin.ID, Version: a.plugin.Version}
	for _, e := range a.plugin.served() {
		res.Extends = append(res.Extends, string(e.extension))
	}
	return res, nil
}

// failed keeps a status that the plugin has chosen itself.
func failed(err error) error {
	var own interface{ GRPCStatus() *status.Status }
	if errors.As(err, &own) {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}
