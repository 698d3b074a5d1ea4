package promql

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The datasource's editor completes labels without asking for them: its list is that of the metrics here, with
// the values of those that are no dimension.
func TestTheEditorCompletesTheLabelsOfTheMetrics(t *testing.T) {
	source, err := os.ReadFile("../../datasource/src/promql/language.ts")
	require.NoError(t, err)
	block := regexp.MustCompile(`(?s)export const labels: .*? = \{\n(.*?)\n\};`).FindSubmatch(source)
	require.NotNil(t, block, "the list is somewhere else")
	got := map[string][]string{}
	for _, line := range regexp.MustCompile(`(?m)^  (\w+): (.*),$`).FindAllSubmatch(block[1], -1) {
		values := []string{}
		for _, value := range regexp.MustCompile(`'(\w+)'`).FindAllSubmatch(line[2], -1) {
			values = append(values, string(value[1]))
		}
		got[string(line[1])] = values
	}

	want := map[string][]string{}
	for i := range families {
		for _, label := range families[i].labels {
			want[label] = []string{} // the values are asked for
		}
		for _, p := range families[i].parts {
			if p.status != "" && !slices.Contains(want[statusLabel], p.status) {
				want[statusLabel] = append(want[statusLabel], p.status)
			}
		}
	}
	require.Equal(t, want, got)
}
