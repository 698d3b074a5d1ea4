package trouble_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/flowgauge/flowgauge/backend/telemetry/trouble"
)

func TestEachChangeIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	log := trouble.New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	down, full := errors.New("it is down"), errors.New("it is full")
	for _, err := range []error{nil, down, down, full, full, nil, nil, down} {
		log.Note(t.Context(), "a", "look", err, "tenant", "acme")
	}
	log.Note(t.Context(), "b", "look", down)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	log.Note(ended, "a", "look", full)
	assert.Equal(t, strings.TrimLeft(`
level=WARN msg="look: it is tried again" tenant=acme error="it is down"
level=WARN msg="look: it is tried again" tenant=acme error="it is full"
level=INFO msg="look: it works again" tenant=acme
level=WARN msg="look: it is tried again" tenant=acme error="it is down"
level=WARN msg="look: it is tried again" error="it is down"
`, "\n"), out.String())
}
