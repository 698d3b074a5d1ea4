package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Between the program and the kernel's clock: what the wall clock says is moved by a
// number of seconds that is another one every some milliseconds. Durations go by the
// monotonic clock, as everywhere. It is put into package main alone, since a change of
// package time would have everything compiled again.
const (
	wrongClockGo = `package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

var (
	realClock uintptr
	clockOff  int64 // seconds
)

func installClock()

func init() {
	text := os.Getenv("WRONG_CLOCK")
	if text == "" {
		return
	}
	var off [2]int64
	var every int
	if _, err := fmt.Sscanf(text, "%d,%d,%d", &off[0], &off[1], &every); err != nil {
		panic(err)
	}
	installClock()
	atomic.StoreInt64(&clockOff, off[0])
	go func() {
		for i := 1; ; i++ {
			time.Sleep(time.Duration(every) * time.Millisecond)
			atomic.StoreInt64(&clockOff, off[i%2])
		}
	}()
}
`
	wrongClockAssembly = `#include "textflag.h"

// func installClock()
TEXT ·installClock(SB),NOSPLIT,$0
	MOVQ runtime·vdsoClockgettimeSym(SB), AX
	MOVQ AX, ·realClock(SB)
	LEAQ ·wrongClock(SB), AX
	MOVQ AX, runtime·vdsoClockgettimeSym(SB)
	RET

// int clock_gettime(clockid_t DI, struct timespec *SI), as C calls it
TEXT ·wrongClock(SB),NOSPLIT|NOFRAME,$0
	PUSHQ DI
	PUSHQ SI
	SUBQ $8, SP // aligned for C
	MOVQ ·realClock(SB), AX
	CALL AX
	ADDQ $8, SP
	POPQ SI
	POPQ DI
	CMPL DI, $0 // CLOCK_REALTIME
	JNE done
	MOVQ ·clockOff(SB), CX
	ADDQ CX, 0(SI)
done:
	RET
`
)

// programWithWrongClock builds the program with a clock that can be set for it
// alone, since only the administrator may set the machine's.
func programWithWrongClock(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skipf("a program's clock is set on linux/amd64 only, not on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	const of = "github.com/flowgauge/flowgauge/cmd/flowgauge"
	root, err := exec.Command("go", "list", "-f", "{{.Dir}}", of).Output()
	require.NoError(t, err)
	dir := t.TempDir()
	replace := map[string]string{}
	for name, text := range map[string]string{"wrongclock.go": wrongClockGo, "wrongclock_amd64.s": wrongClockAssembly} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		replace[filepath.Join(strings.TrimSpace(string(root)), name)] = file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, overlay, 0o600))
	built := filepath.Join(dir, "flowgauge")
	out, err := exec.Command("go", "build", "-overlay", file, "-o", built, of).CombinedOutput()
	require.NoError(t, err, string(out))
	return built
}

// Two collectors have wrong clocks, which jump to and fro while they run and when they
// start again. Who corrects an event does so through the collector that has it, since
// each log orders what it accepts, and two logs are ordered by their clocks.
func TestClocksAreWrong(t *testing.T) {
	t.Parallel()
	with := programWithWrongClock(t)
	p := newPlatform(t)
	p.program = with
	key := p.key()
	random := rand.New(rand.NewPCG(*seed, 4))
	hours := func() int {
		off := 600 + random.IntN(6*3600)
		if random.IntN(2) == 0 {
			return -off
		}
		return off
	}
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
		if c.env != nil {
			requireWrongClock(t, c.url)
		}
	}
	p.check(all, func() bool { return collectors[0].empty() && collectors[1].empty() })
}

// requireWrongClock sees to it that the test is one: the answers' dates are wrong.
func requireWrongClock(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url + "/healthz")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	date, err := http.ParseTime(resp.Header.Get("Date"))
	require.NoError(t, err)
	require.Greater(t, time.Since(date).Abs(), 5*time.Minute)
}
