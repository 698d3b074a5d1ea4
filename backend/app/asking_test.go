package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/signin"
	"github.com/flowgauge/flowgauge/backend/promql"
)

// bearers knows one key.
type bearers struct{}

func (bearers) Authenticate(r *http.Request) (access.Principal, error) {
	if r.Header.Get("Authorization") != "Bearer fg_reader" {
		return access.Principal{}, errors.New("no such key")
	}
	return access.Principal{Tenant: "acme", KeyID: "reader"}, nil
}

// A key's limit holds by whichever way its key comes.
func TestWhoAsksIsKnownByEachWay(t *testing.T) {
	a := &App{auth: &signin.Authenticator{Keys: bearers{}}}
	for path, basic := range map[string]bool{promql.Root + "/api/v1/query": true, "/api/v1/analytics/catalogue": false} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer fg_reader")
		id, ok := a.asking(r)
		require.True(t, ok, path)
		require.Equal(t, "reader", id)
		r.SetBasicAuth("anybody", "fg_reader")
		_, ok = a.asking(r)
		require.Equal(t, basic, ok, path)
	}
}
