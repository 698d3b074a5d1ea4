package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Hook is a webhook of a platform that signs what it sends, or sends a token, with a
// secret of the hook's own.
type Hook struct {
	ID         string `koanf:"id"` // part of its URL
	Tenant     string `koanf:"tenant"`
	SecretFile string `koanf:"secret_file"` // one secret, or two while they rotate, a line each
	SecretEnv  string `koanf:"secret_env"`  // the name of an environment variable that holds the same

	Secrets []string `koanf:"-"` // what is in them
}

// GitHubHook is a webhook of GitHub.
type GitHubHook struct {
	Hook  `koanf:",squash"`
	Steps string `koanf:"steps"` // what is a step: jobs (the default), or steps
}

// OpenLineage takes events of OpenLineage.
type OpenLineage struct {
	Enabled      bool `koanf:"enabled"`
	JobNamespace bool `koanf:"job_namespace"` // is part of a workflow's id
}

var hookID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// maxSecrets is one that is used and one that was or will be.
const maxSecrets = 2

// finish reads the secrets, and reports every value that cannot be used.
func (h *Hook) finish(key string) error {
	var errs []error
	if !hookID.MatchString(h.ID) {
		errs = append(errs, fmt.Errorf("%s: id is %q: letters, digits, dots, hyphens and underscores make one", key, h.ID))
	}
	if h.Tenant == "" {
		errs = append(errs, fmt.Errorf("%s: hook %q has no tenant", key, h.ID))
	}
	text, err := h.read()
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("%s: hook %q: %w", key, h.ID, err))...)
	}
	h.Secrets = nil
	for line := range strings.Lines(text) {
		if s := strings.TrimSpace(line); s != "" {
			h.Secrets = append(h.Secrets, s)
		}
	}
	if n := len(h.Secrets); n == 0 || n > maxSecrets {
		errs = append(errs, fmt.Errorf("%s: hook %q has %d secrets: give one, or two while they rotate, a line each", key, h.ID, n))
	}
	return errors.Join(errs...)
}

func (h *Hook) read() (string, error) {
	switch {
	case (h.SecretFile == "") == (h.SecretEnv == ""):
		return "", errors.New("give either secret_file or secret_env")
	case h.SecretFile != "":
		b, err := os.ReadFile(h.SecretFile)
		if err != nil {
			return "", fmt.Errorf("secret_file: %w", err)
		}
		return string(b), nil
	}
	text, ok := os.LookupEnv(h.SecretEnv)
	if !ok {
		return "", fmt.Errorf("secret_env: the environment has no variable %s", h.SecretEnv)
	}
	return text, nil
}

// finishHooks reads the secrets of all hooks.
func finishHooks(github []GitHubHook, gitlab []Hook) error {
	var errs []error
	for i := range github {
		h := &github[i]
		errs = append(errs, h.finish("sources.github"))
		if h.Steps != "" && h.Steps != "jobs" && h.Steps != "steps" {
			errs = append(errs, fmt.Errorf("sources.github: hook %q has steps %q: they are jobs or steps", h.ID, h.Steps))
		}
		for _, other := range github[:i] {
			if other.ID == h.ID {
				errs = append(errs, fmt.Errorf("sources.github: two hooks have the id %q", h.ID))
			}
		}
	}
	for i := range gitlab {
		h := &gitlab[i]
		errs = append(errs, h.finish("sources.gitlab"))
		for _, other := range gitlab[:i] {
			if other.ID == h.ID {
				errs = append(errs, fmt.Errorf("sources.gitlab: two hooks have the id %q", h.ID))
			}
		}
	}
	return errors.Join(errs...)
}
