package plugin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/promql"
	"github.com/flowgauge/flowgauge/backend/query"
)

// routes is what the editors ask, below /api/datasources/uid/UID/resources.
func (d *Datasource) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /catalogue", d.getCatalogue)
	mux.HandleFunc("GET /granularities", d.getGranularities)
	mux.HandleFunc("GET /values", d.getValues)
	mux.HandleFunc("GET /tables", d.getTables)
	mux.HandleFunc("POST /live", d.postLive)
	mux.HandleFunc(promql.Root+"/", d.prometheus)
	mux.HandleFunc("/", d.notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(withToken(r.Context(), header{r.Header})))
	})
}

// header is a request's headers, as the SDK reads those of its own.
type header struct{ http.Header }

// GetHTTPHeader returns a header.
func (h header) GetHTTPHeader(key string) string { return h.Get(key) }

func (d *Datasource) notFound(w http.ResponseWriter, r *http.Request) {
	d.send(w, r, problem{
		Title:  fmt.Sprintf("There is no resource %s %s.", r.Method, r.URL.Path),
		Hint:   "There are GET /catalogue, GET /granularities, GET /values, GET /tables, POST /live, and Prometheus' interface below /prometheus.",
		Status: backend.StatusNotFound, Source: backend.ErrorSourceDownstream,
	})
}

// prometheus is the HTTP interface of a Prometheus server, by which editors complete
// queries.
func (d *Datasource) prometheus(w http.ResponseWriter, r *http.Request) {
	if d.broken != nil {
		d.fail(w, r, d.broken)
		return
	}
	d.promqlHTTP.ServeHTTP(w, r.WithContext(query.WithSurface(r.Context(), surface)))
}

// getCatalogue works without a server: one can build queries while it is away.
func (d *Datasource) getCatalogue(w http.ResponseWriter, r *http.Request) {
	write(w, http.StatusOK, "application/json", struct {
		metric.Catalogue
		Kinds    []Kind   `json:"kinds"`
		Macros   []Macro  `json:"macros"`
		Unlisted []string `json:"unlisted"` // dimensions of which /values lists nothing
		// Exemplars are the metrics beside which single executions can be shown.
		Exemplars []string `json:"exemplars"`
	}{metric.All(), d.allKinds(r.Context()), macros, query.Unlisted(), exemplarMetrics})
}

func (d *Datasource) getGranularities(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, "application/json", map[string]any{"granularities": granularities})
}

func (d *Datasource) getValues(w http.ResponseWriter, r *http.Request) {
	if d.broken != nil {
		d.fail(w, r, d.broken)
		return
	}
	ask, err := valuesRequest(r, time.Now().UTC())
	if err != nil {
		d.fail(w, r, err)
		return
	}
	who, err := d.principal(r.Context(), backend.PluginConfigFromContext(r.Context()))
	if err != nil {
		d.fail(w, r, err)
		return
	}
	values, err := d.engine.Values(query.WithSurface(r.Context(), surface), who, ask)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if values == nil {
		values = []string{} // a list for whoever reads the JSON, not null
	}
	write(w, http.StatusOK, "application/json", map[string]any{"values": values})
}

// getTables lists what statements may read; to whoever may not ask in SQL, nothing.
func (d *Datasource) getTables(w http.ResponseWriter, r *http.Request) {
	tables, err := d.tables(r.Context(), backend.PluginConfigFromContext(r.Context()))
	if err != nil {
		d.fail(w, r, err)
		return
	}
	write(w, http.StatusOK, "application/json", map[string]any{"tables": tables})
}

// valuesPeriod is where values are looked for when no period is given.
const valuesPeriod = 30 * 24 * time.Hour

func valuesRequest(r *http.Request, now time.Time) (query.ValuesRequest, error) {
	in := r.URL.Query()
	out := query.ValuesRequest{Dimension: in.Get("dimension"), Search: in.Get("search")}
	if out.Dimension == "" {
		return out, &query.RequestError{Param: "dimension", Message: "it is missing", Example: metric.Workflow}
	}
	var err error
	if out.To, err = timeParam("to", in.Get("to"), now); err != nil {
		return out, err
	}
	if out.From, err = timeParam("from", in.Get("from"), out.To.Add(-valuesPeriod)); err != nil {
		return out, err
	}
	if text := in.Get("limit"); text != "" {
		if out.Limit, err = strconv.Atoi(text); err != nil || out.Limit < 0 {
			return out, &query.RequestError{Param: "limit", Value: text, Message: "it is not a whole number from 0 up", Example: "100"}
		}
	}
	if text := in.Get("filters"); text != "" {
		if err := json.Unmarshal([]byte(text), &out.Filters); err != nil {
			return out, &query.RequestError{Param: "filters", Value: text, Message: "it is not a list of filters in JSON", Example: `[{"dimension":"workflow","operator":"in","values":["sync"]}]`}
		}
	}
	out.Filters, err = keptFilters(out.Filters)
	return out, err
}

// timeParam reads milliseconds since 1970 or RFC 3339.
func timeParam(name, text string, absent time.Time) (time.Time, error) {
	if text == "" {
		return absent, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, &query.RequestError{Param: name, Value: text, Message: "it is neither milliseconds since 1970 nor a time of RFC 3339", Example: "2026-01-31T00:00:00Z"}
	}
	return t.UTC(), nil
}

func (d *Datasource) fail(w http.ResponseWriter, r *http.Request, err error) {
	d.send(w, r, d.problemOf(err))
}

// send answers with a problem document of RFC 9457.
func (d *Datasource) send(w http.ResponseWriter, r *http.Request, p problem) {
	p.log(r.Context(), "Resource call failed", "path", r.URL.Path)
	write(w, int(p.Status), "application/problem+json", map[string]any{
		"type":   "about:blank",
		"title":  p.Title,
		"status": int(p.Status),
		"detail": p.message(),
		"hint":   p.Hint,
	})
}

func write(w http.ResponseWriter, status int, contentType string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the caller is gone; there is nobody to tell
}
