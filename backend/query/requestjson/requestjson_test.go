package requestjson_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
)

// What cannot be read says which member it is, and what is wanted.
func TestDecodeSaysWhatIsWanted(t *testing.T) {
	for text, want := range map[string][2]string{
		`{"params":{"horizon":30}}`:     {"params", "texts, also for numbers"},
		`{"metrics":"executions"}`:      {"metrics", "must be a list"},
		`{"limit":"3"}`:                 {"limit", "must be a whole number"},
		`{"metric":["executions"]}`:     {"metric", "no such member"},
		`{"from":"2026-03-01"}`:         {"body", "times as RFC 3339"},
		`{"metrics":["a"],"asOf":null}`: {"asOf", "must not be null"},
		`{"limit":1}{"limit":2}`:        {"body", "one JSON object and nothing else"},
	} {
		_, err := requestjson.Decode([]byte(text))
		var wrong *query.RequestError
		require.ErrorAs(t, err, &wrong, text)
		assert.Equal(t, want[0], wrong.Param, text)
		assert.Contains(t, wrong.Message, want[1], text)
	}
	r, err := requestjson.Decode([]byte(`{"kind":"forecast","params":{"horizon":"30"}}`))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"horizon": "30"}, r.Params)
}
