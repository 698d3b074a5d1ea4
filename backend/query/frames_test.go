package query

import (
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"
)

// Bars are as wide as their bucket, and lines end where buckets are missing.
func TestTimeSeriesSayHowWideABucketIs(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	from := time.Date(2026, 3, 20, 0, 0, 0, 0, berlin)
	for _, tc := range []struct {
		granularity Granularity
		from        time.Time
		days        int
		want        time.Duration
	}{
		{Minute, from, 1, time.Minute},
		{Quarter, from, 1, 15 * time.Minute},
		{Hour, from, 1, time.Hour},
		{Day, from, 3, 24 * time.Hour},
		{Day, from, 20, 24 * time.Hour},                                       // one has 23 hours
		{Day, time.Date(2026, 10, 20, 0, 0, 0, 0, berlin), 9, 25 * time.Hour}, // one has 25
		{Week, from, 20, 0},
		{Month, from, 90, 0},
	} {
		value := 1.0
		frames := TimeSeries(&Result{
			Frame: data.NewFrame("", data.NewField(timeField, nil, []time.Time{tc.from}), data.NewField("executions", nil, []*float64{&value})),
			Meta:  Meta{Granularity: tc.granularity, From: tc.from, To: tc.from.AddDate(0, 0, tc.days)},
		})
		require.Len(t, frames, 1)
		var got float64
		if c := frames[0].Fields[0].Config; c != nil {
			got = c.Interval
		}
		require.InDelta(t, float64(tc.want.Milliseconds()), got, 0, tc.granularity)
	}
}
