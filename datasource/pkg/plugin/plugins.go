package plugin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	pluginpanel "github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/pluginclient"
	"github.com/flowgauge/flowgauge/backend/query"
)

// kindsTimeout is how long the editors wait for the kinds of plugins.
const kindsTimeout = 5 * time.Second

// extensions are the plugins of a server of Flowgauge's. The data that they are told is asked here, as
// the one who asks.
type extensions struct {
	panels      *pluginpanel.Panels // nil: no server is configured
	forecasters query.Forecasters
	detectors   query.Detectors
}

func newPlugins(s Settings) extensions {
	if s.ServerURL == "" {
		return extensions{forecasters: noServer[query.Forecaster]("forecaster"), detectors: noServer[query.Detector]("detector")}
	}
	client := &http.Client{
		Timeout: s.timeout(),
		// The key is for this server and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	server := &pluginclient.Server{URL: s.ServerURL, Key: s.serverKey, Client: client}
	return extensions{&pluginpanel.Panels{Source: server}, server.Forecasters, server.Detectors}
}

// noServer tells whoever names a plugin what is missing.
func noServer[T any](param string) func(context.Context) (map[string]T, error) {
	return func(context.Context) (map[string]T, error) {
		return nil, noServerError("params." + param + " names a plugin of a Flowgauge server.")
	}
}

func noServerError(why string) error {
	return &SettingsError{"serverUrl", "It is empty, and " + why, "Enter the address of the server that runs the plugin, and a key of it."}
}

func asKinds(infos []query.KindInfo) []Kind {
	out := make([]Kind, len(infos))
	for i, info := range infos {
		out[i] = Kind{KindInfo: info, Formats: []string{formatTable}}
	}
	return out
}

// allKinds lists what can be asked now. While the server is away that is all but what is of
// plugins: one can build queries all the same.
func (d *Datasource) allKinds(ctx context.Context) []Kind {
	ctx, cancel := context.WithTimeout(ctx, kindsTimeout)
	defer cancel()
	all := kindsOf(query.KindsWith(ctx, d.plugins.forecasters, d.plugins.detectors))
	if d.plugins.panels == nil {
		return all
	}
	more, err := d.plugins.panels.Kinds(ctx, "")
	if err != nil {
		log.DefaultLogger.FromContext(ctx).Warn("The kinds of plugins are not known", "error", err)
	}
	return append(all, asKinds(more)...)
}

// parse reads a query, which may be of a plugin's kind.
func (d *Datasource) parse(ctx context.Context, text json.RawMessage) (model, error) {
	var head struct {
		QueryType query.Kind `json:"queryType"`
	}
	if err := decodeModel(text, &head); err != nil {
		return model{}, err
	}
	id := head.QueryType.Plugin()
	switch {
	case id == "":
		return parseModel(text)
	case d.plugins.panels == nil:
		return model{}, noServerError("queries of kind " + query.Shortened(string(head.QueryType)) + " are answered by a plugin of a Flowgauge server.")
	}
	more, err := d.plugins.panels.Kinds(ctx, id)
	if err != nil {
		return model{}, err
	}
	return parseModel(text, asKinds(more)...)
}
