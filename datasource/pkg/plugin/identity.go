package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/query"
)

// identities checks the tokens in which Grafana says, signed, for whom it calls
// (X-Grafana-Id, where its feature idForwarding is on). A nil one wants no token.
//
// What Grafana says of a user otherwise is as good as the connection to this process. A
// token says the same in a way that nobody between the two can change.
type identities struct {
	url    string // of Grafana's signing keys, a JSON Web Key Set
	client *http.Client
	now    func() time.Time

	mu     sync.Mutex
	keys   jose.JSONWebKeySet
	read   time.Time
	tried  time.Time
	failed error // of the last try
}

const (
	keysTimeout = 5 * time.Second
	keysMost    = 1 << 20 // bytes
	// keysAge is after how long keys are read again, so that one which Grafana has given
	// up is not good for ever; keysPause is between two tries, whoever makes up keys and
	// however long Grafana is away.
	keysAge   = 10 * time.Minute
	keysPause = 10 * time.Second
	// skew is how much the clocks of Grafana and of this machine may differ.
	skew = 30 * time.Second
)

func newIdentities(s Settings) *identities {
	if s.IdentityKeysURL == "" {
		return nil
	}
	return &identities{url: s.IdentityKeysURL, client: &http.Client{Timeout: keysTimeout}, now: time.Now}
}

// signed are the members of a token that matter here.
type signed struct {
	jwt.Claims
	Username string `json:"username"`
	Email    string `json:"email"`
}

type (
	tokenKey   struct{}
	admittedBy struct{}
)

// withToken keeps the token of a call of Grafana's.
func withToken(ctx context.Context, call interface{ GetHTTPHeader(key string) string }) context.Context {
	return context.WithValue(ctx, tokenKey{}, call.GetHTTPHeader(backend.GrafanaUserSignInTokenHeaderName))
}

// admitted says that whoever is meant showed a token before: a stream outlives it.
func admitted(ctx context.Context) context.Context {
	return context.WithValue(ctx, admittedBy{}, true)
}

// check wants a token of the user whom a call is for.
func (i *identities) check(ctx context.Context, pc backend.PluginContext, userID string) error {
	if i == nil || pc.User == nil || ctx.Value(admittedBy{}) != nil {
		return nil
	}
	text, _ := ctx.Value(tokenKey{}).(string)
	if text == "" {
		return refused("Grafana sent no signed identity: switch its feature idForwarding on, or empty the setting “Grafana's signing keys”")
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return refused("the identity that Grafana sent cannot be read: " + err.Error())
	}
	var claims signed
	key, err := i.key(ctx, token.Headers[0].KeyID)
	if err != nil {
		return err
	}
	if err := token.Claims(key, &claims); err != nil {
		return refused("the identity that Grafana sent is not signed by one of its keys")
	}
	if claims.Expiry == nil {
		return refused("the identity that Grafana sent holds for ever, which none of its own does")
	}
	// No issuer is wanted: the keys are those of one Grafana.
	organization := fmt.Sprintf("org:%d", pc.OrgID) //nolint:staticcheck // tokens name it so, and older Grafanas know no namespace
	if err := claims.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{organization}, Time: i.now()}, skew); err != nil {
		return refused("the identity that Grafana sent does not hold here and now: " + err.Error())
	}
	of, said, known := "login", claims.Username, pc.User.Login
	if userID == userEmail {
		of, said, known = "email", claims.Email, pc.User.Email
	}
	switch {
	case said == "":
		return refused("the identity that Grafana sent names no " + of + ": an older Grafana's does not, so empty the setting “Grafana's signing keys” there")
	case said != known:
		return refused(fmt.Sprintf("the identity that Grafana sent is that of %q, and the call is for %q", said, known))
	}
	return nil
}

func refused(message string) error { return &query.AccessError{Message: message} }

// key returns a key, from Grafana if it is not known here.
func (i *identities) key(ctx context.Context, id string) (*jose.JSONWebKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	found, now := i.keys.Key(id), i.now()
	if now.Sub(i.tried) > keysPause && (len(found) == 0 || now.Sub(i.read) > keysAge) {
		i.tried = now
		keys, err := i.fetch(ctx)
		if i.failed = err; err == nil {
			i.keys, i.read = keys, now
			found = keys.Key(id)
		}
	}
	switch {
	case len(found) > 0: // also while Grafana does not answer
	case i.failed != nil:
		return nil, &SettingsError{"identityKeysUrl", "Grafana's signing keys cannot be read: " + i.failed.Error(), "Enter where the plugin's process reaches Grafana, with /api/signing-keys/keys behind it."}
	default:
		return nil, refused("the identity that Grafana sent is not signed by one of its keys")
	}
	return &found[0], nil
}

func (i *identities) fetch(ctx context.Context) (keys jose.JSONWebKeySet, err error) {
	// Whoever asks first must not take the keys away from the others by giving up.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, i.url, nil)
	if err != nil {
		return keys, err
	}
	res, err := i.client.Do(req)
	if err != nil {
		return keys, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return keys, errors.New(res.Status)
	}
	err = json.NewDecoder(io.LimitReader(res.Body, keysMost)).Decode(&keys)
	return keys, err
}

// isURL reports whether a text is an address that can be asked.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}
