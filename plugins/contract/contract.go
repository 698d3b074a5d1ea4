// Package contract is what plugins and Flowgauge agree on: the services that a plugin may
// serve, in v1 as protobuf for every language, and what a plugin in Go needs to serve them.
//
// A plugin is a process of its own, started by Flowgauge by the protocol of
// github.com/hashicorp/go-plugin over gRPC with a certificate of each side made for the
// occasion (AutoMTLS). In Go it is a main function that calls Serve:
//
//	contract.Serve(contract.Plugin{ID: "acme-teams", Version: "1.0.0", Enricher: teams{}})
//
// docs/plugins.md says what it takes in other languages.
package contract

import "github.com/hashicorp/go-plugin"

//go:generate sh -c "cd ../.. && go tool -modfile=.ci/proto.mod buf generate --template plugins/contract/buf.gen.yaml --path plugins/contract"
//go:generate sh -c "cd ../.. && go tool -modfile=.ci/proto.mod buf generate --template plugins/contract/buf.fast.gen.yaml --path plugins/contract/v1/event.proto --path plugins/contract/v1/enricher.proto --path plugins/contract/v1/pricer.proto"

// Version of the contract, go-plugin's protocol version. What is added to v1 in a way that
// old plugins do not notice leaves it as it is.
const Version = 1

// Name is that of the health service, and of the only plugin of go-plugin's set.
const Name = "plugin"

// Handshake keeps a plugin from being run by hand, which its output would explain, and from
// being taken for another program's.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion: Version, MagicCookieKey: "FLOWGAUGE_PLUGIN", MagicCookieValue: "3f6d0b0e5b2f4c1d9a57",
}

// MaxMessage is the largest message in bytes that both sides take.
const MaxMessage = 64 << 20

// Window is how much of HTTP/2's flow control both sides allow, a few batches, and Buffer what
// they read and write at once: by gRPC's defaults a batch is written in pieces, each of which
// waits for the other side.
const (
	Window = 8 << 20
	Buffer = 256 << 10
)

// An Extension is a service that plugins may serve.
type Extension string

// The extensions.
const (
	ExtensionEnricher   Extension = "enricher"
	ExtensionPricer     Extension = "pricer"
	ExtensionSource     Extension = "source"
	ExtensionExporter   Extension = "exporter"
	ExtensionNotifier   Extension = "notifier"
	ExtensionForecaster Extension = "forecaster"
	ExtensionDetector   Extension = "detector"
	ExtensionPanel      Extension = "panel"
)

// Extensions are all there are.
var Extensions = []Extension{
	ExtensionEnricher, ExtensionPricer, ExtensionSource, ExtensionExporter, ExtensionNotifier, ExtensionForecaster, ExtensionDetector, ExtensionPanel,
}

// Kinds are the kinds of events, as permissions name them.
var Kinds = []string{"execution", "step", "cost", "activity"}

// Fields are the fields of an event besides its identity, as the wire format and permissions
// name them. A step's credits are its creditsUsed.
var Fields = []string{
	"source", "endTime", "queuedTime", "duration", "workflowId", "workflowVersion", "userId", "executionId", "attempt",
	"triggerId", "triggerType", "stepCount", "errorType", "errorMessage", "stepId", "stepType", "inputSize", "outputSize", "dependsOn",
	"actionType", "credits", "dollarAmount", "sessionId", "action", "resource", "resourceId", "metadata",
}
