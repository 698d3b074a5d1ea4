package dashboards

import "encoding/json"

// Dashboard is what is needed of a dashboard to list, show or check it. JSON has
// the rest.
type Dashboard struct {
	File          string          `json:"-"` // within Files
	JSON          json.RawMessage `json:"-"` // as it is stored
	UID           string          `json:"uid"`
	Title         string          `json:"title"`
	Description   string          `json:"description"`
	Tags          []string        `json:"tags"`
	SchemaVersion int             `json:"schemaVersion"`
	TimeZone      string          `json:"timezone"`
	Refresh       string          `json:"refresh"`
	Time          TimeRange       `json:"time"`
	Links         []Link          `json:"links"`
	Annotations   Annotations     `json:"annotations"`
	Templating    Templating      `json:"templating"`
	Panels        []Panel         `json:"panels"` // rows among them; a collapsed row holds its panels itself
}

// AllPanels returns the panels that show something, those in collapsed rows too.
func (d *Dashboard) AllPanels() []Panel {
	var all []Panel
	for _, p := range d.Panels {
		if p.Type == rowType {
			all = append(all, p.Panels...)
			continue
		}
		all = append(all, p)
	}
	return all
}

// Variables returns the template variables.
func (d *Dashboard) Variables() []Variable { return d.Templating.List }

// Annotations are marks in the graphs of a dashboard.
type Annotations struct {
	List []Annotation `json:"list"`
}

// Annotation is one kind of them.
type Annotation struct {
	Name       string      `json:"name"`
	Datasource *Datasource `json:"datasource"`
	Enable     bool        `json:"enable"`
	IconColor  string      `json:"iconColor"`
	Target     Target      `json:"target"`
}

// TimeRange is a period in Grafana's words, such as now-24h.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating holds the variables.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is a template variable. One of type "query" lists the values of a
// dimension.
type Variable struct {
	Name       string          `json:"name"`
	Label      string          `json:"label"`
	Type       string          `json:"type"`
	Datasource *Datasource     `json:"datasource"`
	Query      json.RawMessage `json:"query"` // of its type
	Multi      bool            `json:"multi"`
	IncludeAll bool            `json:"includeAll"`
	Sort       int             `json:"sort"` // 0 is as the datasource gives them: the most frequent first
}

// Dimension returns the dimension whose values the variable lists, or "".
func (v *Variable) Dimension() string {
	var q struct {
		Dimension string `json:"dimension"`
	}
	if v.Type != "query" || json.Unmarshal(v.Query, &q) != nil {
		return ""
	}
	return q.Dimension
}

// Datasource names the datasource of a panel, a target or a variable.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Link leads to another place.
type Link struct {
	Title      string   `json:"title"`
	Type       string   `json:"type"` // dashboards or link; empty for a data link
	Tags       []string `json:"tags"`
	AsDropdown bool     `json:"asDropdown"`
	KeepTime   bool     `json:"keepTime"`
	URL        string   `json:"url"`
}

const rowType = "row"

// Panel is one box of a dashboard, or, of type "row", a heading.
type Panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description"`
	Datasource      *Datasource      `json:"datasource"`
	GridPos         GridPos          `json:"gridPos"`
	TimeFrom        string           `json:"timeFrom"` // its own period, such as 12w, or +30d that are to come
	Targets         []Target         `json:"targets"`
	Transformations []Transformation `json:"transformations"`
	FieldConfig     FieldConfig      `json:"fieldConfig"`
	Options         json.RawMessage  `json:"options"`
	Panels          []Panel          `json:"panels"` // of a collapsed row
}

// GridPos is a place on the grid of 24 columns; a row is 30 pixels high.
type GridPos struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// Target is a query in the model of the datasource plugin (datasource/src/types.ts),
// where an absent field has its default.
type Target struct {
	RefID       string      `json:"refId"`
	Datasource  *Datasource `json:"datasource"`
	QueryType   string      `json:"queryType"`
	Version     int         `json:"version"`
	Metrics     []string    `json:"metrics"`
	Granularity string      `json:"granularity"`
	GroupBy     []string    `json:"groupBy"`
	Filters     []Filter    `json:"filters"`
	OrderBy     string      `json:"orderBy"`
	Descending  *bool       `json:"descending"` // nil is true
	Limit       *int        `json:"limit"`      // nil is 10
	Compare     string      `json:"compare"`
	TimeZone    string      `json:"timeZone"` // empty is the dashboard's
	Format      string      `json:"format"`
	Alias       string      `json:"alias"`

	// Of the kinds beside metrics.
	Params map[string]string `json:"params,omitempty"`
	Fields []string          `json:"fields,omitempty"` // the columns of a table; empty is all
}

// Filter keeps the rows whose dimension has one of the values; a value may be a
// variable.
type Filter struct {
	Dimension string   `json:"dimension"`
	Operator  string   `json:"operator"`
	Values    []string `json:"values"`
}

// Transformation is a step between a query's answer and its picture.
type Transformation struct {
	ID      string          `json:"id"`
	Options json.RawMessage `json:"options"`
}

// FieldConfig says how fields are shown.
type FieldConfig struct {
	Defaults  FieldDefaults `json:"defaults"`
	Overrides []Override    `json:"overrides"`
}

// FieldDefaults hold for all fields.
type FieldDefaults struct {
	Unit   string          `json:"unit"`
	Links  []Link          `json:"links"`
	Custom json.RawMessage `json:"custom"` // of the panel's kind
}

// Override holds for the fields that it matches.
type Override struct {
	Matcher struct {
		ID      string `json:"id"`
		Options any    `json:"options"`
	} `json:"matcher"`
	Properties []Property `json:"properties"`
}

// Property is one setting of an override.
type Property struct {
	ID    string          `json:"id"`
	Value json.RawMessage `json:"value"`
}
