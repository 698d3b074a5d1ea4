package api

import (
	"net/url"
	"slices"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// kindParam is what the endpoints about taking events in call metric.EventKind.
const kindParam = "kind"

// collectorRequest reads the parameters of an endpoint about taking events in:
// scalars, and dimensions to filter by.
func collectorRequest(raw url.Values, parameters []string) (query.Request, error) {
	e, own := endpoint{}, url.Values{}
	for name, values := range raw {
		if !slices.Contains(parameters, name) {
			return query.Request{}, unknownParameter([]string{name}, parameters)
		}
		if name == kindParam {
			name = metric.EventKind
		}
		own[name] = values
	}
	for _, name := range parameters {
		if name == kindParam {
			name = metric.EventKind
		}
		if _, ok := metric.LookupDimension(name); ok {
			e.dimensions = append(e.dimensions, name)
		} else {
			e.scalars = append(e.scalars, name)
		}
	}
	return e.request(own)
}
