package plugin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	pluginpanel "github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/query"
)

// kindsTimeout is how long the editors wait for the kinds of plugins.
const kindsTimeout = 5 * time.Second

// newPanels asks a server of Flowgauge's for what its plugins say. The data of their answers
// is asked here, as the one who asks; nil: no server is configured.
func newPanels(s Settings) *pluginpanel.Panels {
	if s.ServerURL == "" {
		return nil
	}
	client := &http.Client{
		Timeout: s.timeout(),
		// The key is for this server and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &pluginpanel.Panels{Source: &pluginpanel.Remote{URL: s.ServerURL, Key: s.serverKey, Client: client}}
}

func asKinds(infos []query.KindInfo) []Kind {
	out := make([]Kind, len(infos))
	for i, info := range infos {
		out[i] = Kind{KindInfo: info, Formats: []string{formatTable}}
	}
	return out
}

// allKinds lists what can be asked now. While the server is away that is all but the kinds of
// plugins: one can build queries all the same.
func (d *Datasource) allKinds(ctx context.Context) []Kind {
	all := kinds()
	if d.panels == nil {
		return all
	}
	ctx, cancel := context.WithTimeout(ctx, kindsTimeout)
	defer cancel()
	more, err := d.panels.Kinds(ctx, "")
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
	case d.panels == nil:
		return model{}, &SettingsError{
			"serverUrl", "It is empty, and queries of kind " + query.Shortened(string(head.QueryType)) + " are answered by a plugin of a Flowgauge server.",
			"Enter the address of the server that runs the plugin, and a key of it.",
		}
	}
	more, err := d.panels.Kinds(ctx, id)
	if err != nil {
		return model{}, err
	}
	return parseModel(text, asKinds(more)...)
}
