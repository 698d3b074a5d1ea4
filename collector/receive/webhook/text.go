package webhook

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
)

// layouts are the ways in which platforms write times. GitLab writes those of
// pipelines as Ruby does, in UTC or with the offset of its configuration.
var layouts = [...]string{time.RFC3339, "2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -0700"}

// Time reads a time as Unix milliseconds. It is false for an empty text, and for
// any that is no time of 1970 to 2099.
func Time(text string) (int64, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			ms := t.UnixMilli()
			return ms, ms > 0 && t.UTC().Year() < 2100
		}
	}
	return 0, false
}

// Host returns the host of the first URL that has one. Ids of platforms are only
// unique within an installation.
func Host(urls ...string) string {
	for _, s := range urls {
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return ""
}

// Path returns the path of a URL without its slashes at the ends.
func Path(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.Trim(u.Path, "/")
}

// Metadata returns the facts that are not empty as a JSON object, "" if none is.
func Metadata(facts []event.Fact) string {
	members := map[string]string{}
	for _, f := range facts {
		if f.Value != "" {
			members[f.Name] = event.Clip(f.Value, 1024)
		}
	}
	if len(members) == 0 {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // URLs stay readable.
	_ = enc.Encode(members)  // Texts can be encoded.
	return string(bytes.TrimSpace(b.Bytes()))
}
