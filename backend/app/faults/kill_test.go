package faults_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The collector with its sink, and ClickHouse, are killed at random points under
// load.
func TestKill(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	key := p.key()
	collector := p.start("collector")
	collector.ready()
	l := startLoad(t, func() []string { return []string{collector.url} }, key, 4, between)
	random := rand.New(rand.NewPCG(*seed, 1))
	for i := range *kills {
		if random.IntN(4) > 0 { // else what is starting may be killed
			l.progress()
		}
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
		switch random.IntN(3) {
		case 0:
			p.killDatabase()
		case 1:
			collector.kill()
			collector.run()
		case 2:
			p.killDatabase()
			collector.kill()
			collector.run()
		}
		if (i+1)%50 == 0 {
			t.Logf("%d kills, %d requests acknowledged", i+1, l.acks.Load())
		}
	}
	restarts := p.engine.Restarts()
	t.Logf("the database was killed %d times", restarts)
	require.Positive(t, restarts)
	l.stop()
	collector.ready()
	p.check(l, collector.empty)
}
