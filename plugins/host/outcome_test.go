package host_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/flowgauge/flowgauge/plugins/host"
)

func TestHowACallHasFailed(t *testing.T) {
	why := errors.New("why")
	for want, errs := range map[host.Failure][]error{
		host.Down:    {&host.DownError{ID: "acme-a", Why: why}},
		host.Refused: {&host.RefusedError{ID: "acme-a", Message: "no"}},
		host.Failed:  {why, &host.FailedError{ID: "acme-a", Why: why}},
	} {
		for _, err := range errs {
			assert.Equal(t, want, host.FailureOf(err))
			assert.Equal(t, want, host.FailureOf(fmt.Errorf("part 1 of 2: %w", err)))
		}
	}
}
