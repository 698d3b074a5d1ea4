package contract_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/contract"
)

func TestDecodeSettings(t *testing.T) {
	type settings struct {
		URL       string            `json:"url"`
		PerCredit map[string]string `json:"perCredit"`
		Tenants   []string          `json:"tenants"`
		Season    int               `json:"season"`
		Least     float64           `json:"least"`
		Loud      bool              `json:"loud"`
		own       string
	}
	got := settings{URL: "default", own: "x"}
	require.NoError(t, contract.DecodeSettings([]byte(`{"season":7,"perCredit":{"call":"0.1"}}`), &got))
	assert.Equal(t, settings{URL: "default", Season: 7, PerCredit: map[string]string{"call": "0.1"}, own: "x"}, got)
	require.NoError(t, contract.DecodeSettings(nil, &got))
	for text, want := range map[string]string{
		`{"urll":"x"}`:               `"urll": there is no such setting; there are: least, loud, perCredit, season, tenants, url`,
		`{"own":"x"}`:                `"own": there is no such setting`,
		`{"url":1}`:                  `url has a number in it: want a text`,
		`{"perCredit":{"call":0.1}}`: `perCredit has a number in it: want a text`,
		`{"tenants":"acme"}`:         `tenants has a text in it: want a list`,
		`{"season":1.5}`:             `season has a number 1.5 in it: want a whole number`,
		`{"loud":"yes"}`:             `loud has a text in it: want true or false`,
		`[]`:                         `they are a list: want an object of least, loud`,
	} {
		err := contract.DecodeSettings([]byte(text), &settings{})
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
	}
}
