package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Export is a question that is asked about each period, for a plugin that takes the answers
// somewhere else.
type Export struct {
	Name   string        `koanf:"name"`
	Plugin string        `koanf:"plugin"`
	Tenant string        `koanf:"tenant"`
	Every  time.Duration `koanf:"every"` // the length of a period: 15m, 1h or 24h
	Delay  time.Duration `koanf:"delay"` // how long after a period's end it is asked about; 10m if 0
	// Again are the ages of a period at which it is asked about once more, and delivered once
	// more if its answer has changed: a day and a week if left out, never if empty.
	Again   []time.Duration `koanf:"again"`
	Since   any             `koanf:"since"`   // a moment of the first period; when it is first seen if nil. YAML has times of its own
	Request map[string]any  `koanf:"request"` // as for POST /api/v1/analytics/query, without a period

	Begins      time.Time       `koanf:"-"` // Since
	RequestJSON json.RawMessage `koanf:"-"`
}

const (
	defaultDelay = 10 * time.Minute
	longestDelay = 7 * 24 * time.Hour
	oldestAgain  = 60 * 24 * time.Hour // what is known of a delivered period is kept for 90 days
	mostAgain    = 10
	maxExports   = 100
)

var defaultAgain = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour}

var everies = []time.Duration{15 * time.Minute, time.Hour, 24 * time.Hour}

// finishExports fills in defaults and reports every value that cannot be used. Whether the
// requests are sound and the plugins there is known where they are.
func finishExports(all []Export) error {
	if len(all) > maxExports {
		return fmt.Errorf("exports: there are %d: at most %d", len(all), maxExports)
	}
	var errs []error
	seen := map[string]bool{}
	for i := range all {
		x := &all[i]
		if !hookID.MatchString(x.Name) {
			errs = append(errs, fmt.Errorf("exports: name is %q: letters, digits, dots, hyphens and underscores make one", x.Name))
		}
		if seen[x.Name] {
			errs = append(errs, fmt.Errorf("exports: two have the name %q", x.Name))
		}
		seen[x.Name] = true
		if err := x.finish(); err != nil {
			errs = append(errs, fmt.Errorf("exports, %s: %w", x.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (x *Export) finish() error {
	var errs []error
	if x.Plugin == "" {
		errs = append(errs, errors.New("plugin is missing: give the id of an exporter in plugins.use"))
	}
	if x.Tenant == "" {
		errs = append(errs, errors.New("tenant is missing: whose figures are they?"))
	}
	if !slices.Contains(everies, x.Every) {
		errs = append(errs, fmt.Errorf("every is %s: it is 15m, 1h or 24h", x.Every))
	}
	if x.Delay == 0 {
		x.Delay = defaultDelay
	}
	if x.Delay < 0 || x.Delay > longestDelay {
		errs = append(errs, fmt.Errorf("delay is %s: it is at most %s", x.Delay, longestDelay))
	}
	if x.Again == nil {
		// Delays of a day and longer are over when these are.
		x.Again = slices.DeleteFunc(slices.Clone(defaultAgain), func(age time.Duration) bool { return age <= x.Delay })
	}
	if len(x.Again) > mostAgain {
		errs = append(errs, fmt.Errorf("again has %d ages: at most %d", len(x.Again), mostAgain))
	}
	before := x.Delay
	for _, age := range x.Again {
		if age <= before || age > oldestAgain {
			errs = append(errs, fmt.Errorf("again has %s: ages are longer than the delay of %s and grow, up to %s", age, x.Delay, oldestAgain))
		}
		before = age
	}
	if x.Since != nil {
		var err error
		if x.Begins, err = moment(x.Since); err != nil {
			errs = append(errs, fmt.Errorf("since is %q: %w", fmt.Sprint(x.Since), err))
		}
	}
	for _, name := range []string{"from", "to", "asOf"} {
		if _, there := x.Request[name]; there {
			errs = append(errs, fmt.Errorf("request has %s: leave it out, each period is asked about as it is", name))
		}
	}
	text, err := json.Marshal(x.Request)
	if err != nil {
		errs = append(errs, fmt.Errorf("request: %w", err))
	}
	x.RequestJSON = text
	return errors.Join(errs...)
}

// moment is RFC 3339, or a day, which begins in UTC.
func moment(value any) (time.Time, error) {
	at, isTime := value.(time.Time)
	if !isTime {
		text := fmt.Sprint(value)
		var err error
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			if at, err = time.Parse(time.DateOnly, text); err != nil {
				return at, errors.New("give a time as RFC 3339 or a date, e.g. 2026-03-01")
			}
		}
	}
	if y := at.UTC().Year(); y < 1970 || y >= 2100 {
		return at, errors.New("it lies between 1970 and 2100")
	}
	return at.UTC(), nil
}
