package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// Settings is what the configuration page and provisioning write (jsonData).
// Secrets come apart, decrypted by Grafana, and are never marshalled.
type Settings struct {
	Host              string `json:"host"`
	Port              int    `json:"port"`
	Secure            bool   `json:"secure"`
	TLSSkipVerify     bool   `json:"tlsSkipVerify"`
	TLSAuthWithCACert bool   `json:"tlsAuthWithCACert"`
	TLSAuth           bool   `json:"tlsAuth"`
	ServerName        string `json:"serverName"`
	Database          string `json:"database"`
	Username          string `json:"username"`
	Tenant            string `json:"tenant"`
	Timeout           int    `json:"timeout"`       // seconds
	MaxConns          int    `json:"maxConns"`      // also how many queries run at once
	AuditRequired     bool   `json:"auditRequired"` // no answer without a record of it

	// DashboardLinks says that this Grafana has the dashboards of package dashboards.
	DashboardLinks bool `json:"dashboardLinks"`

	// Who sees what, see principal.go.
	UserID      string `json:"userId"`
	AdminScope  string `json:"adminScope"`
	EditorScope string `json:"editorScope"`
	ViewerScope string `json:"viewerScope"`
	AlertScope  string `json:"alertScope"`
	// IdentityKeysURL is where Grafana's signing keys are, by which it proves for whom it
	// calls, see identity.go; empty wants no proof.
	IdentityKeysURL string `json:"identityKeysUrl"`

	// ServerURL is where a Flowgauge server is that runs plugins, see panels.go; empty is
	// none. The key needs the scope read, and no right to data.
	ServerURL string `json:"serverUrl"`

	// SQLUsername is the user of ClickHouse as whom statements in SQL are run, see sql.go;
	// empty allows none.
	SQLUsername string `json:"sqlUsername"`

	password      string
	sqlPassword   string
	serverKey     string
	pseudonymKey  string // the servers' privacy.key_file; without it roles with pseudonyms get no answer
	tlsCACert     string
	tlsClientCert string
	tlsClientKey  string
}

// The defaults are what the configuration page shows in an empty field.
const (
	defaultPort       = 9000
	defaultSecurePort = 9440
	defaultDatabase   = "flowgauge"
	defaultUsername   = "default"
	defaultTenant     = "default"
	defaultTimeout    = 30
	defaultMaxConns   = 8
	mostTimeout       = 3600
	mostMaxConns      = 1000
	leastKey          = 32
)

// SettingsError says which setting is wrong and what to do.
type SettingsError struct {
	Setting string
	Message string
	Hint    string
}

func (e *SettingsError) Error() string { return fmt.Sprintf("%s: %s", e.Setting, e.Message) }

// ParseSettings reads and validates a datasource's settings. Its error is a
// *SettingsError.
func ParseSettings(in backend.DataSourceInstanceSettings) (Settings, error) {
	var s Settings
	if len(in.JSONData) > 0 {
		text, err := quoteTexts(in.JSONData)
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil {
			return s, settingsTypeError(err)
		}
	}
	s.password = in.DecryptedSecureJSONData["password"]
	s.serverKey = strings.TrimSpace(in.DecryptedSecureJSONData["serverKey"])
	s.sqlPassword = in.DecryptedSecureJSONData["sqlPassword"]
	s.pseudonymKey = strings.TrimSpace(in.DecryptedSecureJSONData["pseudonymKey"])
	s.tlsCACert = in.DecryptedSecureJSONData["tlsCACert"]
	s.tlsClientCert = in.DecryptedSecureJSONData["tlsClientCert"]
	s.tlsClientKey = in.DecryptedSecureJSONData["tlsClientKey"]
	s.fillDefaults()
	return s, s.Validate()
}

// textSettings are those that Grafana's provisioning may make something else of: it
// turns the value of an environment variable into a number or a switch where it
// looks like one.
var textSettings = []string{"host", "serverName", "database", "username", "sqlUsername", "tenant", "identityKeysUrl", "serverUrl"}

// quoteTexts makes texts of them again.
func quoteTexts(in json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(in, &members); err != nil {
		return in, err
	}
	for _, name := range textSettings {
		var value any
		if err := json.Unmarshal(members[name], &value); err != nil {
			continue // it is absent
		}
		switch value.(type) {
		case float64, bool:
			members[name] = json.RawMessage(`"` + string(members[name]) + `"`)
		}
	}
	return json.Marshal(members)
}

func (s *Settings) fillDefaults() {
	s.Host = strings.TrimSpace(s.Host)
	if s.Port == 0 && s.Secure {
		s.Port = defaultSecurePort
	}
	s.Port = orDefault(s.Port, defaultPort)
	s.Database = orDefault(strings.TrimSpace(s.Database), defaultDatabase)
	s.Username = orDefault(strings.TrimSpace(s.Username), defaultUsername)
	s.SQLUsername = strings.TrimSpace(s.SQLUsername)
	s.Tenant = orDefault(strings.TrimSpace(s.Tenant), defaultTenant)
	s.Timeout = orDefault(s.Timeout, defaultTimeout)
	s.MaxConns = orDefault(s.MaxConns, defaultMaxConns)
	s.UserID = orDefault(s.UserID, userLogin)
	s.ServerURL = strings.TrimSuffix(strings.TrimSpace(s.ServerURL), "/")
	s.IdentityKeysURL = strings.TrimSpace(s.IdentityKeysURL)
	for _, scope := range []*string{&s.AdminScope, &s.EditorScope, &s.ViewerScope, &s.AlertScope} {
		*scope = orDefault(*scope, scopeAll)
	}
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Validate reports the first setting that cannot be used.
func (s *Settings) Validate() error {
	switch {
	case s.Host == "":
		return &SettingsError{"host", "No server is configured.", "Enter the name or address of the ClickHouse server."}
	case strings.Contains(s.Host, "/"):
		return &SettingsError{"host", fmt.Sprintf("%q is not a host name.", s.Host), "Enter the name alone, without a scheme or a path."}
	case strings.Contains(s.Host, ":") && net.ParseIP(strings.Trim(s.Host, "[]")) == nil:
		return &SettingsError{"host", fmt.Sprintf("%q is not a host name.", s.Host), "Enter the name alone and the port in its own field."}
	case s.Port < 1 || s.Port > 65535:
		return &SettingsError{"port", fmt.Sprintf("%d is not a port.", s.Port), "Enter the port of the native protocol, usually 9000, or 9440 with TLS."}
	case s.Timeout < 1 || s.Timeout > mostTimeout:
		return &SettingsError{"timeout", fmt.Sprintf("%d seconds is out of range.", s.Timeout), fmt.Sprintf("Enter 1 to %d seconds.", mostTimeout)}
	case s.pseudonymKey != "" && len(s.pseudonymKey) < leastKey:
		return &SettingsError{"pseudonymKey", fmt.Sprintf("It has %d characters, which can be guessed.", len(s.pseudonymKey)), "Enter what the servers' privacy.key_file holds: with another key everybody has another pseudonym here."}
	case s.SQLUsername == s.Username:
		return &SettingsError{"sqlUsername", "It is the user of the datasource, who may read more than a statement should.", "Make a user of its own for SQL, as the documentation shows, or leave the field empty."}
	case s.IdentityKeysURL != "" && !isURL(s.IdentityKeysURL):
		return &SettingsError{"identityKeysUrl", fmt.Sprintf("%q is not an address.", s.IdentityKeysURL), "Enter Grafana's address with /api/signing-keys/keys behind it, e.g. http://localhost:3000/api/signing-keys/keys."}
	case s.ServerURL != "" && !isURL(s.ServerURL):
		return &SettingsError{"serverUrl", fmt.Sprintf("%q is not an address.", s.ServerURL), "Enter the address of a Flowgauge server, e.g. https://flowgauge.example.com."}
	case s.ServerURL != "" && s.serverKey == "":
		return &SettingsError{"serverKey", "It is empty, and the server answers nobody without a key.", "Enter a key that 'flowgauge keys create --scope read --role viewer' has made."}
	case s.MaxConns < 1 || s.MaxConns > mostMaxConns:
		return &SettingsError{"maxConns", fmt.Sprintf("%d connections is out of range.", s.MaxConns), fmt.Sprintf("Enter 1 to %d.", mostMaxConns)}
	}
	return s.validateScopes()
}

func (s *Settings) validateScopes() error {
	for _, of := range []struct {
		setting, value string
		allowed        []string
	}{
		{"userId", s.UserID, []string{userLogin, userEmail}},
		{"adminScope", s.AdminScope, []string{scopeAll, scopeDirectory, scopeOwn, scopeNone}},
		{"editorScope", s.EditorScope, []string{scopeAll, scopeDirectory, scopeOwn, scopeNone}},
		{"viewerScope", s.ViewerScope, []string{scopeAll, scopeDirectory, scopeOwn, scopeNone}},
		{"alertScope", s.AlertScope, []string{scopeAll, scopeNone}}, // they are nobody's
	} {
		if !slices.Contains(of.allowed, of.value) {
			return &SettingsError{of.setting, fmt.Sprintf("%q is not known.", of.value), "Choose one of " + strings.Join(of.allowed, ", ") + "."}
		}
	}
	return nil
}

func (s *Settings) addr() string {
	return net.JoinHostPort(strings.Trim(s.Host, "[]"), strconv.Itoa(s.Port))
}

func (s *Settings) timeout() time.Duration { return time.Duration(s.Timeout) * time.Second }

func settingsTypeError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return &SettingsError{
			wrong.Field, fmt.Sprintf("It is a %s.", wrong.Value),
			fmt.Sprintf("In provisioning it must be a %s, without quotes where it is a number or true or false.", wrong.Type),
		}
	}
	return &SettingsError{"jsonData", "It is not valid JSON.", "Save the datasource's settings again."}
}
