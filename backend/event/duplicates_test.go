package event

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDuplicatesIdentity(t *testing.T) {
	for _, d := range []Duplicates{{Kind: KindExecution}, {Tenant: "acme", Source: "crm", Kind: KindActivity, Count: math.MaxUint32}} {
		b := AppendDuplicates([]byte("before"), &d)[len("before"):]
		require.Equal(t, RecordDuplicates, RecordType(b))
		var got Duplicates
		require.NoError(t, DecodeDuplicates(b, &got))
		require.Equal(t, d, got)
		for cut := range b {
			require.ErrorIs(t, DecodeDuplicates(b[:cut:cut], &got), ErrCorrupt)
		}
		require.ErrorIs(t, DecodeDuplicates(append(b, 0), &got), ErrCorrupt)
		require.ErrorIs(t, DecodeBinary(b, new(Event)), ErrCorrupt)
		b[1] = 0
		require.ErrorIs(t, DecodeDuplicates(b, &got), ErrCorrupt, "no kind")
	}
}

func FuzzDecodeDuplicates(f *testing.F) {
	f.Add(AppendDuplicates(nil, &Duplicates{Tenant: "acme", Source: "crm", Kind: KindCost, Count: 300}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d, again Duplicates
		if DecodeDuplicates(b, &d) != nil {
			return
		}
		require.NoError(t, DecodeDuplicates(AppendDuplicates(nil, &d), &again))
		require.Equal(t, d, again)
	})
}
