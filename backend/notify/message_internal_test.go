package notify

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPercentagesAreReadable(t *testing.T) {
	for v, want := range map[float64]string{20: "20", 100.0 / 3: "33.33", 20_000: "20000", 123_456: "123500", 0.00012345: "0.0001234", 0: "0", 99.999: "100"} {
		assert.Equal(t, want, short(v))
	}
}
