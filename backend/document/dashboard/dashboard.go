// Package dashboard turns a dashboard of Grafana's JSON model, which is how dashboards
// are kept, into the view of widgets that the API has, and back.
//
// Nothing is lost either way: what the view has no name for stays in layout (of the
// dashboard) and in visualization (of a panel), as it was. The way back begins with
// those and changes only what the view says differently, so that a dashboard that goes
// through the view unchanged comes out equal.
package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
)

// View is a dashboard as widgets.
type View struct {
	Name            string   `json:"name"`
	Description     string   `json:"description"`
	Widgets         []Widget `json:"widgets"`
	Layout          object   `json:"layout"`
	RefreshInterval int64    `json:"refreshInterval"` // seconds; 0 is never
}

// Widget is a panel.
type Widget struct {
	ID            string   `json:"id"`
	Type          string   `json:"type"`
	Title         string   `json:"title"`
	Query         object   `json:"query"`
	Visualization object   `json:"visualization"`
	Position      Position `json:"position"`
}

// Position is where a widget lies, in Grafana's grid of 24 columns.
type Position struct {
	X int64 `json:"x"`
	Y int64 `json:"y"`
	W int64 `json:"w"`
	H int64 `json:"h"`
}

type object = map[string]any

// The members of layout: the dashboard without its panels, and those panels that are no
// widgets, such as rows, with where among all panels they lie.
const (
	layoutGrafana = "grafana"
	layoutPanels  = "panels"
)

// Parse reads one JSON object and keeps its numbers as they are written.
func Parse(text []byte) (map[string]any, error) {
	var out object
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("must be a JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || out == nil {
		return nil, errors.New("must be one JSON object and nothing else")
	}
	return out, nil
}

// Of is the view of a dashboard of Grafana.
func Of(grafana map[string]any) View {
	rest := maps.Clone(grafana)
	delete(rest, "panels")
	v := View{
		Name: text(grafana["title"]), Description: text(grafana["description"]), RefreshInterval: seconds(grafana["refresh"]),
		Widgets: []Widget{}, Layout: object{layoutGrafana: rest},
	}
	panels, listed := grafana["panels"].([]any)
	if !listed {
		if raw, ok := grafana["panels"]; ok {
			rest["panels"] = raw // not a list: nothing to show, and nothing to lose
		}
		return v
	}
	others := []any{}
	for i, p := range panels {
		panel, ok := p.(object)
		kind, known := widgetOf[text(panel["type"])]
		if !ok || !known {
			others = append(others, object{"index": i, "panel": p})
			continue
		}
		v.Widgets = append(v.Widgets, widget(panel, kind))
	}
	v.Layout[layoutPanels] = others
	return v
}

func widget(panel object, kind string) Widget {
	rest, query := maps.Clone(panel), object{}
	if targets, ok := panel["targets"]; ok {
		query["targets"] = targets
		delete(rest, "targets")
	}
	grid, _ := panel["gridPos"].(object)
	return Widget{
		ID: text(panel["id"]), Type: kind, Title: text(panel["title"]), Query: query, Visualization: rest,
		Position: Position{whole(grid["x"]), whole(grid["y"]), whole(grid["w"]), whole(grid["h"])},
	}
}

// Grafana is the way back.
func (v View) Grafana() map[string]any {
	base, _ := v.Layout[layoutGrafana].(object)
	out := maps.Clone(base)
	if out == nil {
		out = object{}
	}
	say(out, "title", v.Name)
	say(out, "description", v.Description)
	if seconds(out["refresh"]) != v.RefreshInterval {
		out["refresh"] = interval(v.RefreshInterval)
	}
	others, listed := v.Layout[layoutPanels].([]any)
	if !listed && len(v.Widgets) == 0 {
		return out
	}
	panels, next := make([]any, 0, len(others)+len(v.Widgets)), 0
	place := func() {
		for next < len(others) {
			other, ok := others[next].(object)
			if !ok || whole(other["index"]) > int64(len(panels)) {
				return
			}
			panels = append(panels, other["panel"])
			next++
		}
	}
	taken := map[string]bool{}
	for _, w := range v.Widgets {
		taken[w.ID] = true
	}
	number := 0
	for _, w := range v.Widgets {
		place()
		for number++; taken[strconv.Itoa(number)]; {
			number++
		}
		panels = append(panels, w.panel(number))
	}
	place()
	for ; next < len(others); next++ {
		if other, ok := others[next].(object); ok {
			panels = append(panels, other["panel"])
		}
	}
	out["panels"] = panels
	return out
}

// panel makes a panel of a widget; number is its id where the widget's is no number.
func (w *Widget) panel(number int) object {
	out := maps.Clone(w.Visualization)
	if out == nil {
		out = object{}
	}
	if widgetOf[text(out["type"])] != w.Type {
		out["type"] = panelOf[w.Type]
	}
	say(out, "title", w.Title)
	if text(out["id"]) != w.ID {
		if _, err := strconv.ParseInt(w.ID, 10, 64); err == nil {
			out["id"] = json.Number(w.ID)
		} else {
			out["id"] = number
		}
	}
	if targets, ok := w.Query["targets"]; ok {
		out["targets"] = targets
	}
	grid, _ := out["gridPos"].(object)
	grid = maps.Clone(grid)
	fresh := grid == nil && w.Position != Position{}
	for _, side := range []struct {
		name string
		at   int64
	}{{"x", w.Position.X}, {"y", w.Position.Y}, {"w", w.Position.W}, {"h", w.Position.H}} {
		if fresh || whole(grid[side.name]) != side.at {
			if grid == nil {
				grid = object{}
			}
			grid[side.name] = side.at
		}
	}
	if grid != nil {
		out["gridPos"] = grid
	}
	return out
}
