package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wrongClock is added to what time.Now returns: a number of seconds that is another
// one every some milliseconds. Durations go by the monotonic clock, as everywhere.
const wrongClock = `
var wrongClock = func() (w struct{ by, other, every int64 }) {
	text, _ := syscall.Getenv("WRONG_CLOCK")
	part, negative := 0, false
	for _, c := range []byte(text) {
		into := []*int64{&w.by, &w.other, &w.every}[part]
		switch {
		case c == ',':
			part, negative = part+1, false
		case c == '-':
			negative = true
		case negative:
			*into = *into*10 - int64(c-'0')
		default:
			*into = *into*10 + int64(c-'0')
		}
	}
	return w
}()

func wrong(mono int64) int64 {
	if w := &wrongClock; w.every > 0 && mono/(w.every*1e6)%2 == 1 {
		return w.other
	}
	return wrongClock.by
}
`

// programWithWrongClock builds the program with a clock that can be set for it
// alone, since only the administrator may set the machine's.
func programWithWrongClock(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	const reads = "\tsec, nsec, mono := runtimeNow()\n"
	require.Equal(t, 1, strings.Count(string(text), "func Now() Time {\n"+reads), "%s reads the clock in another way than in %s", runtime.Version(), "Go 1.26")
	changed := strings.Replace(string(text), "func Now() Time {\n"+reads, "func Now() Time {\n"+reads+"\tsec += wrong(mono)\n", 1) + wrongClock
	changed = strings.Replace(changed, "import (", "import (\n\t\"syscall\"", 1)
	dir := t.TempDir()
	replacement := filepath.Join(dir, "time.go")
	require.NoError(t, os.WriteFile(replacement, []byte(changed), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: replacement}})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, overlay, 0o600))
	built := filepath.Join(dir, "flowgauge")
	out, err := exec.Command("go", "build", "-overlay", file, "-o", built, "github.com/flowgauge/flowgauge/cmd/flowgauge").CombinedOutput()
	require.NoError(t, err, string(out))
	return built
}

// Two collectors have wrong clocks, which jump to and fro while they run and when they
// start again. Who corrects an event does so through the collector that has it, since
// each log orders what it accepts, and two logs are ordered by their clocks.
func TestClocksAreWrong(t *testing.T) {
	right := program
	program = programWithWrongClock(t)
	t.Cleanup(func() { program = right })
	p := newPlatform(t)
	key := p.key()
	random := rand.New(rand.NewPCG(*seed, 4))
	hours := func() int { return random.IntN(12*3600) - 6*3600 }
	wrong := func(c *process) {
		c.env = []string{fmt.Sprintf("WRONG_CLOCK=%d,%d,%d", hours(), hours(), 200+random.IntN(3000))}
	}
	var collectors []*process
	var loads []*load
	for range 2 {
		c := p.start("collector")
		c.ready()
		collectors = append(collectors, c)
	}
	for _, c := range collectors {
		l := startLoad(t, func() []string { return []string{c.url} }, key, 2, between)
		loads = append(loads, l)
	}
	for range 8 {
		time.Sleep(time.Duration(500+random.IntN(1500)) * time.Millisecond)
		c := collectors[random.IntN(2)]
		c.kill()
		wrong(c)
		c.run()
	}
	all := &load{t: t}
	for _, l := range loads {
		l.stop()
		all.models = append(all.models, l.models...)
	}
	for _, c := range collectors {
		c.ready()
	}
	p.check(all, func() bool { return collectors[0].empty() && collectors[1].empty() })
}
