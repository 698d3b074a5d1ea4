package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/query"
)

const (
	healthTimeout = 15 * time.Second
	healthPeriod  = 30 * 24 * time.Hour
)

// health is the details of an answer; Grafana shows verboseMessage beside the
// message, and the rest to whoever asks the API.
type health struct {
	Verbose       string   `json:"verboseMessage,omitempty"`
	Hint          string   `json:"hint,omitempty"`
	Warnings      []string `json:"warnings,omitempty"`
	Version       string   `json:"version,omitempty"`
	SchemaVersion uint32   `json:"schemaVersion,omitempty"`
	Database      string   `json:"database,omitempty"`
	Tenant        string   `json:"tenant,omitempty"`
	Executions    float64  `json:"executions"`
}

// CheckHealth goes the way of a query step by step and stops at the first step
// that fails. What works but should not be so is a warning.
func (d *Datasource) CheckHealth(ctx context.Context, req *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	ctx = withToken(ctx, req)
	h := health{Database: d.settings.Database, Tenant: d.settings.Tenant}
	if err := d.check(ctx, req.PluginContext, &h); err != nil {
		p := d.healthProblem(err)
		p.log(ctx, "Health check failed")
		h.Hint, h.Verbose = p.Hint, p.Hint
		return healthResult(backend.HealthStatusError, p.Title, h), nil
	}
	h.Verbose = strings.Join(h.Warnings, " ")
	return healthResult(backend.HealthStatusOk, h.message(), h), nil
}

func (d *Datasource) check(ctx context.Context, pc backend.PluginContext, h *health) error {
	if d.broken != nil {
		return d.broken
	}
	steps := []func(context.Context, *health) error{d.checkServer, d.checkSchema, d.checkRights}
	for _, step := range steps {
		if err := step(ctx, h); err != nil {
			return err
		}
	}
	if d.statements != nil {
		if err := d.statements.problem(d.statements.check(ctx)); err != nil {
			return err
		}
	}
	who, err := d.principal(ctx, pc)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	result, err := d.engine.Do(query.WithSurface(ctx, surface), who, query.Request{
		Metrics: []string{"executions"}, From: now.Add(-healthPeriod), To: now,
	})
	if err != nil {
		return err
	}
	if n, ok := onlyValue(result); ok {
		h.Executions = n
	}
	if h.Executions == 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("The tenant %q has no executions in the last 30 days: check its name if it should have.", h.Tenant))
	}
	return nil
}

// healthProblem is a query's problem, except that nobody chose the period.
func (d *Datasource) healthProblem(err error) problem {
	p := d.problemOf(err)
	if p.Status == backend.StatusTimeout {
		p.Title = fmt.Sprintf("%s did not answer within %d seconds.", d.settings.addr(), int(healthTimeout.Seconds()))
		p.Hint = "Check that no firewall is in between and that the server is not overloaded."
	}
	return p
}

func (h health) message() string {
	text := fmt.Sprintf("Connected to ClickHouse %s. %s executions in the last 30 days.", h.Version, thousands(h.Executions))
	if len(h.Warnings) > 0 {
		text += " " + strings.Join(h.Warnings, " ")
	}
	return text
}

func healthResult(status backend.HealthStatus, message string, h health) *backend.CheckHealthResult {
	details, err := json.Marshal(h)
	if err != nil {
		details = nil // strings and numbers; it cannot fail
	}
	return &backend.CheckHealthResult{Status: status, Message: message, JSONDetails: details}
}

func onlyValue(r *query.Result) (float64, bool) {
	for _, f := range r.Frame.Fields {
		if f.Type().Numeric() && f.Len() > 0 {
			n, err := f.FloatAt(0)
			return n, err == nil && n == n //nolint:gocritic // NaN stands for null
		}
	}
	return 0, false
}

// thousands writes 1234567 as 1,234,567.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
