package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// mark is the source that events get, which is a setting.
func (r *running) mark(t *testing.T) (mark string) {
	t.Helper()
	metadata := "fine"
	require.NoError(t, r.Call(t.Context(), contract.ExtensionEnricher, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		res, err := contractv1.NewEnricherClient(conn).Enrich(ctx, &contractv1.EnrichRequest{Events: []*contract.Event{{Id: "e", Metadata: &metadata}}})
		if err == nil {
			mark = res.GetChanges()[0].GetSet().GetSource()
		}
		return err
	}))
	return mark
}

// A secret that has changed is told to the plugin when it is started anew, and one that cannot be
// read leaves it as it is.
func TestSecretsAreReadAgain(t *testing.T) {
	var now atomic.Pointer[string]
	set := func(mark string) { now.Store(&mark) }
	set("the-first-secret")
	reread := func() (json.RawMessage, []string, error) {
		mark := *now.Load()
		if mark == "" {
			return nil, nil, errors.New("the file is not there")
		}
		return json.RawMessage(fmt.Sprintf(`{"mark":%q}`, mark)), []string{mark}, nil
	}
	settings, secrets, err := reread()
	require.NoError(t, err)
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: settings, Secrets: secrets, Reread: reread})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	assert.Equal(t, "the-first-secret", r.mark(t))

	set("another-secret")
	assert.Equal(t, "the-first-secret", r.mark(t))
	require.NoError(t, r.Reload(t.Context()))
	assert.Equal(t, "another-secret", r.mark(t))

	set("")
	require.ErrorContains(t, r.Reload(t.Context()), "its settings: the file is not there")
	assert.Equal(t, "another-secret", r.mark(t))
	require.NoError(t, syscall.Kill(r.pid(t), syscall.SIGKILL))
	r.eventually(t, "it is back with the settings of before", func() bool {
		return strings.Count(r.log.String(), "a plugin is up") == 3 && r.Err() == nil && r.mark(t) == "another-secret"
	})
}
