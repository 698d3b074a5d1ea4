package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/document"
	"github.com/flowgauge/flowgauge/backend/document/dashboard"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
)

const mediaGrafana = "application/vnd.grafana.dashboard+json"

// shownDashboard is a dashboard as widgets.
type shownDashboard struct {
	ours
	dashboard.View
}

func (s server) dashboards() shelf {
	return shelf{s.API, s.dashboardDocs, func(d document.Document) (any, error) {
		raw, err := dashboard.Parse(d.Body)
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", d.ID, err)
		}
		return shownDashboard{oursOf(d), dashboard.Of(raw)}, nil
	}}
}

// readDashboard reads one that is sent, as widgets or as Grafana has it. public is
// what the query says for the latter.
func readDashboard(c *gin.Context, text []byte, public *bool, now document.Document) (document.Document, error) {
	raw, err := dashboard.Parse(text)
	if err != nil {
		return document.Document{}, invalid("body", "", err.Error(), `{"name":"Mine","widgets":[]}`)
	}
	if media, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type")); media == mediaGrafana {
		d := document.Document{Public: now.Public, Body: text}
		if public != nil {
			d.Public = *public
		}
		d.Name, _ = raw["title"].(string)
		return d, named("title", d.Name)
	}
	d := document.Document{}
	if d.Public, err = takeOurs(raw); err != nil {
		return d, err
	}
	if _, ok := raw["widgets"]; !ok {
		return d, invalid("widgets", "", "required: the dashboard's widgets", "[]")
	}
	v, err := dashboard.Read(raw)
	var wrong *dashboard.InvalidError
	if errors.As(err, &wrong) {
		err = invalid(wrong.Member, "", wrong.Message, `{"name":"Mine","widgets":[]}`, "name", "description", "widgets", "layout", "isPublic", "refreshInterval")
	}
	if err == nil {
		err = checkWidgets(raw["widgets"])
	}
	if err == nil {
		err = named("name", v.Name)
	}
	if err != nil {
		return d, err
	}
	d.Name = v.Name
	d.Body, err = json.Marshal(v.Grafana())
	return d, err
}

// checkWidgets wants whole positions, and no null in what the API says of widgets. Within
// their query and their visualization, which are Grafana's, null is a value.
func checkWidgets(widgets any) error {
	list, _ := widgets.([]any)
	for i, element := range list {
		widget, _ := element.(map[string]any)
		path := "widgets." + strconv.Itoa(i) + "."
		for _, name := range slices.Sorted(maps.Keys(widget)) {
			if (name == "query" || name == "visualization") && widget[name] != nil {
				continue
			}
			if err := requestjson.NoNulls(path+name, widget[name]); err != nil {
				return err
			}
		}
		position, _ := widget["position"].(map[string]any)
		for _, name := range []string{"x", "y", "w", "h"} {
			if _, ok := position[name]; !ok {
				return invalid(path+"position."+name, "", "required: where the widget lies, in a grid of 24 columns", `{"x":0,"y":0,"w":12,"h":8}`)
			}
		}
	}
	return nil
}

// ListDashboards answers GET /dashboards.
func (s server) ListDashboards(c *gin.Context, params spec.ListDashboardsParams) {
	s.dashboards().list(c, params.Limit, params.Cursor)
}

// CreateDashboard answers POST /dashboards.
func (s server) CreateDashboard(c *gin.Context, params spec.CreateDashboardParams) {
	if shelf := s.dashboards(); shelf.here(c) {
		var d document.Document
		text, err := body(c)
		if err == nil {
			d, err = readDashboard(c, text, params.IsPublic, document.Document{})
		}
		shelf.create(c, d, err)
	}
}

// GetDashboard answers GET /dashboards/{id}.
func (s server) GetDashboard(c *gin.Context, id string) {
	shelf := s.dashboards()
	shelf.get(c, id, shelf.show)
}

// GetGrafanaDashboard answers GET /dashboards/{id}/grafana.
func (s server) GetGrafanaDashboard(c *gin.Context, id string) {
	s.dashboards().get(c, id, func(d document.Document) (any, error) { return d.Body, nil })
}

// PutDashboard answers PUT /dashboards/{id}.
func (s server) PutDashboard(c *gin.Context, id string, params spec.PutDashboardParams) {
	s.dashboards().put(c, id, c.GetHeader("If-Match"), func(text []byte, now document.Document) (document.Document, error) {
		return readDashboard(c, text, params.IsPublic, now)
	})
}

// DeleteDashboard answers DELETE /dashboards/{id}.
func (s server) DeleteDashboard(c *gin.Context, id string, _ spec.DeleteDashboardParams) {
	s.dashboards().remove(c, id, c.GetHeader("If-Match"))
}
