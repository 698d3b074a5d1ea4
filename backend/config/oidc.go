package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OIDC is an identity provider whose tokens are accepted beside API keys. Without an
// issuer there is none.
type OIDC struct {
	Issuer     string        `koanf:"issuer"`     // its URL, as tokens have it in iss
	Audience   []string      `koanf:"audience"`   // a token's aud has one of them
	Algorithms []string      `koanf:"algorithms"` // of signatures
	Leeway     time.Duration `koanf:"leeway"`     // by which clocks may differ
	CAFile     string        `koanf:"ca_file"`    // authorities of the issuer's certificate; the system's when empty

	UserClaim   string `koanf:"user_claim"`   // has the id that events carry as userId
	TenantClaim string `koanf:"tenant_claim"` // empty: everybody is of Tenant
	Tenant      string `koanf:"tenant"`       // empty is the configuration's
	// RoleClaim has a text or a list, e.g. groups; the highest role that one of its
	// values gives is the user's. Without any it is what the directory says.
	RoleClaim string   `koanf:"role_claim"`
	Admins    []string `koanf:"admins"` // values of RoleClaim
	Managers  []string `koanf:"managers"`
	Viewers   []string `koanf:"viewers"`
}

var oidcAlgorithms = []string{"RS256", "ES256", "EdDSA"}

func defaultOIDC() OIDC {
	return OIDC{Audience: []string{}, Algorithms: slices.Clone(oidcAlgorithms), Leeway: 30 * time.Second, UserClaim: "sub", Admins: []string{}, Managers: []string{}, Viewers: []string{}}
}

func (o *OIDC) validate() error {
	if o.Issuer == "" {
		return nil
	}
	var errs []error
	if u, err := url.Parse(o.Issuer); err != nil || u.Host == "" || (u.Scheme != "https" && !loopback(u)) {
		errs = append(errs, fmt.Errorf("oidc.issuer is %q: give its https URL, e.g. https://login.example.com/realms/acme", o.Issuer))
	}
	if len(o.Audience) == 0 {
		errs = append(errs, errors.New("oidc.audience is empty: give what tokens for Flowgauge have in aud; else those for any other program of the issuer would do"))
	}
	if len(o.Algorithms) == 0 {
		errs = append(errs, fmt.Errorf("oidc.algorithms is empty: give some of %s", strings.Join(oidcAlgorithms, ", ")))
	}
	for _, a := range o.Algorithms {
		if !slices.Contains(oidcAlgorithms, a) {
			errs = append(errs, fmt.Errorf("oidc.algorithms has %q: give some of %s", a, strings.Join(oidcAlgorithms, ", ")))
		}
	}
	if o.Leeway < 0 || o.Leeway > 5*time.Minute {
		errs = append(errs, fmt.Errorf("oidc.leeway is %s: it is between 0 and 5m", o.Leeway))
	}
	if o.UserClaim == "" {
		errs = append(errs, errors.New("oidc.user_claim is empty: name the claim with the user's id, e.g. sub"))
	}
	if o.RoleClaim == "" && len(o.Admins)+len(o.Managers)+len(o.Viewers) > 0 {
		errs = append(errs, errors.New("oidc.admins, managers and viewers are values of which claim? Set oidc.role_claim, e.g. groups"))
	}
	return errors.Join(errs...)
}

// loopback allows a provider on this machine to speak plain HTTP.
func loopback(u *url.URL) bool {
	return u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}
