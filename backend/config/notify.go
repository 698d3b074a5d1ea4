package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Notify is how people are told, besides by plugins.
type Notify struct {
	Interval time.Duration   `koanf:"interval"` // between two looks at budgets; a minute if 0
	Webhooks []NotifyWebhook `koanf:"webhooks"`
}

// NotifyWebhook is an address that messages are posted to.
type NotifyWebhook struct {
	Name       string   `koanf:"name"` // by which budgets name it
	URL        string   `koanf:"url"`
	URLFile    string   `koanf:"url_file"`    // one that is a secret itself, instead
	SecretFile string   `koanf:"secret_file"` // signs; one secret, or two while they rotate, a line each
	Tenants    []string `koanf:"tenants"`     // whose budgets may name it; everybody's if empty

	Secrets []string `koanf:"-"` // what is in the file
}

// finish reads the files, and reports every value that cannot be used. Plugins are named by
// their ids, as webhooks are by their names.
func (n *Notify) finish(plugins []PluginUse) error {
	var errs []error
	if n.Interval != 0 && (n.Interval < time.Second || n.Interval > time.Hour) {
		errs = append(errs, fmt.Errorf("notify.interval is %s: give a time from 1s to 1h", n.Interval))
	}
	seen := map[string]string{}
	for _, p := range plugins {
		seen[p.ID] = "a plugin"
	}
	for i := range n.Webhooks {
		w := &n.Webhooks[i]
		if !hookID.MatchString(w.Name) {
			errs = append(errs, fmt.Errorf("notify.webhooks: name is %q: letters, digits, dots, hyphens and underscores make one", w.Name))
		}
		if other := seen[w.Name]; other != "" {
			errs = append(errs, fmt.Errorf("notify.webhooks: %s has the name %q already", other, w.Name))
		}
		seen[w.Name] = "another webhook"
		if err := w.finish(); err != nil {
			errs = append(errs, fmt.Errorf("notify.webhooks, %s: %w", w.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (w *NotifyWebhook) finish() error {
	var errs []error
	switch {
	case (w.URL == "") == (w.URLFile == ""):
		errs = append(errs, errors.New("give either url or url_file"))
	case w.URLFile != "":
		b, err := os.ReadFile(w.URLFile)
		if err != nil {
			errs = append(errs, fmt.Errorf("url_file: %w", err))
			break
		}
		w.URL = strings.TrimSpace(string(b))
		fallthrough
	default:
		// The address is not shown: it may hold a secret.
		if u, err := url.Parse(w.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, errors.New("its address is no http or https URL, e.g. https://hooks.example.com/flowgauge"))
		}
	}
	if w.SecretFile == "" {
		return errors.Join(errs...)
	}
	b, err := os.ReadFile(w.SecretFile)
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("secret_file: %w", err))...)
	}
	w.Secrets = nil
	for line := range strings.Lines(string(b)) {
		if s := strings.TrimSpace(line); s != "" {
			w.Secrets = append(w.Secrets, s)
		}
	}
	if n := len(w.Secrets); n == 0 || n > maxSecrets {
		errs = append(errs, fmt.Errorf("secret_file has %d secrets: give one, or two while they rotate, a line each", n))
	}
	return errors.Join(errs...)
}
