package event

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawFragment(t *rapid.T) Fragment {
	f := Fragment{
		Status:    Status(rapid.IntRange(0, int(StatusSkipped)).Draw(t, "status")),
		Attempt:   rapid.Uint32().Draw(t, "attempt"),
		DependsOn: rapid.SliceOfN(rapid.StringN(0, 8, -1), 0, 3).Draw(t, "depends"),
	}
	for _, s := range f.texts() {
		*s = rapid.StringN(0, 12, -1).Draw(t, "text")
	}
	for _, n := range f.numbers() {
		*n = rapid.OneOf(rapid.Just(int64(0)), rapid.Just(NoDuration), rapid.Int64()).Draw(t, "number")
	}
	for _, name := range rapid.SliceOfN(rapid.StringN(0, 4, -1), 0, 4).Draw(t, "facts") {
		f.Facts = append(f.Facts, Fact{Name: name, Value: rapid.StringN(0, 8, -1).Draw(t, "value")})
	}
	if len(f.DependsOn) == 0 {
		f.DependsOn = nil
	}
	return f
}

func TestFragmentCodecIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFragment(t)
		b := AppendFragment(nil, &f)
		require.Equal(t, RecordFragment, RecordType(b))
		got, err := DecodeFragment(b)
		require.NoError(t, err)
		require.Equal(t, f, got)
		require.Equal(t, f.Digest(), got.Digest())
		clear(b[1:])
		require.Equal(t, f, got, "it has bytes of its own")

		b = AppendFragment(nil, &f)
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		_, err = DecodeFragment(b[:cut])
		require.ErrorIs(t, err, ErrCorrupt)
		_, err = DecodeFragment(append(b, 0))
		require.ErrorIs(t, err, ErrCorrupt)
	})
}

func FuzzDecodeFragment(f *testing.F) {
	f.Add(AppendFragment(nil, &Fragment{Tenant: "t", Run: "r", Workflow: "w", Duration: NoDuration}))
	f.Add(AppendFragment(nil, &Fragment{DependsOn: []string{"a"}, Facts: []Fact{{"a", "b"}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeFragment(b)
		if err != nil {
			return
		}
		again, err := DecodeFragment(AppendFragment(nil, &got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func TestSortFacts(t *testing.T) {
	f := Fragment{Facts: []Fact{{"b", "1"}, {"a", "2"}, {"b", "3"}}}
	f.SortFacts()
	require.Equal(t, []Fact{{"a", "2"}, {"b", "3"}}, f.Facts)
}

func TestValidateFragment(t *testing.T) {
	good := func() Fragment {
		return Fragment{Tenant: "t", Run: "r", Workflow: "w", Status: StatusCompleted, Time: 1, Duration: NoDuration}
	}
	f := good()
	require.Nil(t, ValidateFragment(&f))
	for want, spoil := range map[string]func(*Fragment){
		"missing_field tenantId":      func(f *Fragment) { f.Tenant = "" },
		"missing_field id":            func(f *Fragment) { f.Run = "" },
		"missing_field workflowId":    func(f *Fragment) { f.Workflow = "" },
		"missing_field stepId":        func(f *Fragment) { f.Execution = "e" },
		"too_long userId":             func(f *Fragment) { f.UserID = strings.Repeat("u", MaxNameBytes+1) },
		"too_long errorMessage":       func(f *Fragment) { f.ErrorMessage = strings.Repeat("u", MaxMessageBytes+1) },
		"invalid_string source":       func(f *Fragment) { f.Source = "\xff" },
		"time_out_of_range timestamp": func(f *Fragment) { f.Time = maxTime },
		"time_out_of_range startTime": func(f *Fragment) { f.Start = -1 },
		"out_of_range duration":       func(f *Fragment) { f.Duration = -2 },
		"out_of_range inputSize":      func(f *Fragment) { f.InputSize = -1 },
		"out_of_range outputSize":     func(f *Fragment) { f.OutputSize = MaxSize + 1 },
		"invalid_status status":       func(f *Fragment) { f.Status = 9 },
		"too_many dependsOn":          func(f *Fragment) { f.DependsOn = make([]string, MaxDependsOn+1) },
		"too_many metadata":           func(f *Fragment) { f.Facts = make([]Fact, MaxFacts+1) },
		"too_long metadata":           func(f *Fragment) { f.Facts = []Fact{{"a", strings.Repeat("a", MaxFactsBytes)}} },
		"duplicate_field metadata":    func(f *Fragment) { f.Facts = []Fact{{"b", ""}, {"a", ""}} },
	} {
		f := good()
		spoil(&f)
		err := ValidateFragment(&f)
		require.NotNil(t, err, want)
		require.Equal(t, want, string(err.Code)+" "+err.Field)
		require.NotEmpty(t, err.Message)
	}
}
