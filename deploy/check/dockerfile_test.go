package check_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The stages that the compose file builds are there, what is copied is too, and the Go
// release is that of go.mod or a later one of the same line.
func TestDockerfile(t *testing.T) {
	text := read(t, "../Dockerfile")
	stages := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^FROM .* AS (\S+)$`).FindAllStringSubmatch(text, -1) {
		stages[found[1]] = true
	}
	for name, s := range compose(t).Services {
		if s.Build == nil {
			continue
		}
		assert.True(t, stages[s.Build.Target], "%s: %s", name, s.Build.Target)
		root, err := filepath.Abs(repository)
		require.NoError(t, err)
		assert.Equal(t, root, s.Build.Context)
		_, err = os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile))
		assert.NoError(t, err, name)
	}
	for _, found := range regexp.MustCompile(`(?m)^COPY (--\S+ )*(.+)$`).FindAllStringSubmatch(text, -1) {
		words := strings.Fields(found[2])
		for _, source := range words[:len(words)-1] {
			if from := regexp.MustCompile(`--from=(\S+)`).FindStringSubmatch(found[0]); from != nil {
				assert.True(t, stages[from[1]], found[0])
				continue
			}
			_, err := os.Stat(filepath.Join(repository, source))
			assert.NoError(t, err, found[0])
		}
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)\.(\d+)$`).FindStringSubmatch(read(t, filepath.Join(repository, "go.mod")))
	have := regexp.MustCompile(`golang:(\d+\.\d+)\.(\d+)-`).FindStringSubmatch(text)
	require.NotNil(t, want)
	require.NotNil(t, have)
	assert.Equal(t, want[1], have[1])
	assert.GreaterOrEqual(t, len(have[2])*10+int(have[2][0]), len(want[2])*10+int(want[2][0]), "golang: %s", have[0])
	assert.Regexp(t, `(?s)AS flowgauge\n.*\nUSER 65532:65532\n[^F]*$`, text, "the last stage is the program's, as nobody")
	assert.Contains(t, text, "cmd/flowgauge/command.Version=")
}

// What the front end's build takes from beside its own folder is in its stage, and what is
// copied from the repository is not kept from the builder.
func TestDockerfileSources(t *testing.T) {
	text, ignore := read(t, "../Dockerfile"), read(t, "../Dockerfile.dockerignore")
	taken := regexp.MustCompile(`path\.join\(repository, '([^']+)'\)`).FindAllStringSubmatch(read(t, filepath.Join(repository, "datasource/webpack.config.js")), -1)
	require.NotEmpty(t, taken)
	for _, found := range taken {
		source := found[1]
		if filepath.Ext(source) != "" { // pictures come with their folder
			source = filepath.Dir(source)
		}
		assert.Contains(t, text, "COPY "+source+" ../"+source+"\n")
	}
	for _, found := range regexp.MustCompile(`(?m)^COPY ([^-].*) \S+$`).FindAllStringSubmatch(text, -1) {
		for source := range strings.FieldsSeq(found[1]) {
			folder, _, _ := strings.Cut(source, "/")
			assert.Regexp(t, `(?m)^!(`+regexp.QuoteMeta(source)+`|`+regexp.QuoteMeta(folder)+`)$`, ignore, found[0])
		}
	}
}

// What the programs are built of is in the image that builds them.
func TestDockerfileHasWhatIsBuilt(t *testing.T) {
	const module = "github.com/flowgauge/flowgauge/"
	text := read(t, "../Dockerfile")
	list := exec.Command("go", "list", "-deps", "./cmd/flowgauge", "./datasource/pkg")
	list.Dir = repository
	out, err := list.Output()
	require.NoError(t, err)
	folders := map[string]bool{}
	for pkg := range strings.FieldsSeq(string(out)) {
		if folder, ours := strings.CutPrefix(pkg, module); ours {
			top, _, _ := strings.Cut(folder, "/")
			folders[top] = true
		}
	}
	require.Contains(t, folders, "backend")
	for folder := range folders {
		if folder == "datasource" {
			folder = "datasource/pkg"
		}
		assert.Contains(t, text, "COPY "+folder+" "+folder+"\n")
	}
}
