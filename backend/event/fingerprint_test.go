package event

import (
	"hash/fnv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplate(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"connection refused", "connection refused"},
		{"  spaced \t out\n", "spaced out"},
		{"timeout after 30s", "timeout after <num>s"},
		{"timeout after 3.5s", "timeout after <num>s"},
		{"took 1.5e-3 of 100%", "took <num> of <num>%"},
		{"status 503 from 10.0.0.1:8080", "status <num> from <num>"},
		{"at 2024-01-02T03:04:05.123Z", "at <num>"},
		{"at 2024-01-02 03:04:05", "at <num> <num>"},
		{"offset 2024-01-02T03:04:05+02:00", "offset <num>"},
		{"user 3f2504e0-4f89-11d3-9a0c-0305e82c3301 not found", "user <id> not found"},
		{"user 'anna' not found", "user <str> not found"},
		{`column "a b" of "c"`, "column <str> of <str>"},
		{"can't open 'it's here'", "can't open <str>"},
		{"don't", "don't"},
		{`unclosed "quote 7`, `unclosed "quote <num>`},
		{"pointer 0xDEADbeef", "pointer <id>"},
		{"commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904", "commit <id>"},
		{"facade defaced", "facade defaced"},
		{"mail to anna.b+x@example.org bounced", "mail to <email> bounced"},
		{"order_8123 is locked", "order_<num> is locked"},
		{"ORA-00942: no table", "ORA-<num>: no table"},
		{"run wf-9f3a failed", "run wf-<id> failed"},
		{"run wf-1b2c failed", "run wf-<id> failed"},
		{"pod api-7d9f8c6b5-x2x4z gone", "pod api-<id>-<id> gone"},
		{"k8s is down", "k8s is down"},
		{"node12 and node7", "node<num> and node<num>"},
		{"GET https://api.example.org/v1/orders/8123/items?page=2&q=a failed", "GET https://api.example.org/v<num>/orders/<num>/items?<query> failed"},
		{"open /var/lib/app/8123/data.json: no such file", "open /var/lib/app/<num>/data.json: no such file"},
		{"ids [1, 2, 3]", "ids [<num>]"},
		{"ids [1,2]", "ids [<num>]"},
		{"keys 'a', 'b'", "keys <str>"},
		{"512MiB of 2GiB", "<num>MiB of <num>GiB"},
		{"really? yes", "really? yes"},
		{"größe 12 überschritten", "größe <num> überschritten"},
	} {
		require.Equal(t, c.want, Template(c.in), c.in)
	}
}

func TestFingerprint(t *testing.T) {
	require.Zero(t, Fingerprint(""))
	// Stored values depend on these: they must not change.
	require.Equal(t, uint64(0x9df2e5f69cfac61), Fingerprint("timeout after 30s"))
	h := fnv.New64a()
	_, err := h.Write([]byte(Template("timeout after 30s")))
	require.NoError(t, err)
	require.Equal(t, h.Sum64(), Fingerprint("timeout after 30s"))
	require.Equal(t, Fingerprint("timeout after 30s"), Fingerprint("timeout  after 1.5s"))
	require.NotEqual(t, Fingerprint("timeout after 30s"), Fingerprint("timeout before 30s"))
}

func FuzzTemplate(f *testing.F) {
	f.Add("GET https://h/1?x=2 'a' 3f2504e0-4f89-11d3-9a0c-0305e82c3301")
	f.Fuzz(func(t *testing.T, s string) {
		out := Template(s)
		// The widest growth is <email> and the like for few bytes.
		require.LessOrEqual(t, len(out), 8*len(s))
		require.NotContains(t, out, "\n")
		require.False(t, strings.HasPrefix(out, " "))
	})
}

func BenchmarkFingerprint(b *testing.B) {
	const s = "GET https://api.example.org/v1/orders/8123/items?page=2 failed: user '3f2504e0-4f89-11d3-9a0c-0305e82c3301' timed out after 30s"
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		Fingerprint(s)
	}
}
