package deadletter

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
)

func ids(letters []Letter) []string {
	var out []string
	for _, l := range letters {
		out = append(out, l.ID)
	}
	return out
}

func TestList(t *testing.T) {
	r := newRig(t)
	began := r.clock
	r.send("acme", cost("c1", `,"source":"crm"`), cost("c2", `,"credits":"x","source":"erp"`), `{"kind":"x"}`, `{`)
	r.send("other", cost("c3", ``))
	r.send("acme", cost("c4", `,"colour":"Äpfel"`))

	all := r.list(Filter{})
	require.Len(t, all, 5)
	first := all[4]
	require.Equal(t, Letter{
		ID: first.at.id(), ReceivedAt: began.Add(time.Second), Source: "crm", Kind: "cost", KeyID: "key-of-acme", Path: "/api/v1/events",
		ContentType: "application/x-ndjson", Position: 0, Code: "missing_field", Field: "credits", Message: first.Message,
		Payload: []byte(cost("c1", `,"source":"crm"`)), Bytes: len(cost("c1", `,"source":"crm"`)), State: Open,
		at: first.at, storedAt: first.storedAt,
	}, first)
	require.Contains(t, first.Message, "needs credits")
	for name, tc := range map[string]struct {
		f    Filter
		want int
	}{
		"source":          {Filter{Sources: []string{"crm", "erp"}}, 2},
		"kind":            {Filter{Kinds: []string{"cost"}}, 3},
		"unknown kind":    {Filter{Kinds: []string{""}}, 2},
		"code":            {Filter{Codes: []string{"unknown_kind", "malformed_json"}}, 2},
		"field":           {Filter{Fields: []string{"colour"}}, 1},
		"key":             {Filter{Keys: []string{"key-of-acme"}}, 5},
		"another's key":   {Filter{Keys: []string{"key-of-other"}}, 0},
		"from":            {Filter{From: began.Add(2 * time.Second)}, 1},
		"to":              {Filter{To: began.Add(2 * time.Second)}, 4},
		"state":           {Filter{States: []State{Replayed, Discarded}}, 0},
		"payload":         {Filter{Search: "äPFEL"}, 1},
		"message":         {Filter{Search: "NEEDS CREDITS"}, 1},
		"no wildcard":     {Filter{Search: "c%"}, 0},
		"quote":           {Filter{Search: "') OR ('1'='1"}, 0},
		"several at once": {Filter{Search: "c1", Sources: []string{"crm"}, Kinds: []string{"cost"}, Codes: []string{"missing_field"}}, 1},
	} {
		require.Len(t, r.list(tc.f), tc.want, name)
	}

	var paged []Letter
	page := Page{Limit: 2, Payload: 10}
	for {
		letters, next, err := r.store.List(t.Context(), r.scope, Filter{}, page)
		require.NoError(t, err)
		paged = append(paged, letters...)
		if page.After = next; next == "" {
			break
		}
		require.Len(t, letters, 2)
	}
	require.Equal(t, ids(all), ids(paged))
	require.Equal(t, first.Payload[:10], paged[4].Payload)
	require.Equal(t, first.Bytes, paged[4].Bytes)
	_, _, err := r.store.List(t.Context(), r.scope, Filter{}, Page{Limit: 1, After: "nonsense"})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestLettersAreTheTenants(t *testing.T) {
	r := newRig(t)
	r.send("acme", `{}`)
	r.send("other", `{}`)
	other, err := ScopeOf(access.Principal{Tenant: "other", Role: access.RoleAdmin})
	require.NoError(t, err)
	own := r.list(Filter{})
	require.Len(t, own, 1)
	_, err = r.store.Get(t.Context(), other, own[0].ID)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = r.store.Discard(t.Context(), other, own[0].ID)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = r.replayer.Replay(t.Context(), other, own[0].ID, Order{Body: []byte(cost("c", `,"credits":1`))})
	require.ErrorIs(t, err, ErrNotFound)
	sum, err := r.replayer.ReplayAll(t.Context(), other, Filter{Keys: []string{"key-of-acme"}}, 10, false, func(Result) error { return nil })
	require.NoError(t, err)
	require.Zero(t, sum.Matched)
	for _, p := range []access.Principal{{Tenant: "acme", Role: access.RoleManager}, {Tenant: "acme", Role: access.RoleViewer}, {Tenant: "acme"}, {Role: access.RoleAdmin}} {
		_, err := ScopeOf(p)
		require.ErrorIs(t, err, ErrForbidden)
	}
}

func TestDiscard(t *testing.T) {
	r := newRig(t)
	r.send("acme", `{}`, `[]`)
	letters := r.list(Filter{})
	l, err := r.store.Discard(t.Context(), r.scope, letters[0].ID)
	require.NoError(t, err)
	require.Equal(t, Discarded, l.State)
	got, err := r.store.Get(t.Context(), r.scope, l.ID)
	require.NoError(t, err)
	require.Equal(t, l, got)
	require.Equal(t, "admin", got.ChangedBy)
	require.False(t, got.ChangedAt.IsZero())
	again, err := r.store.Discard(t.Context(), r.scope, l.ID)
	require.NoError(t, err)
	require.Equal(t, got, again, "who was first stands")
	require.Equal(t, []string{letters[1].ID}, ids(r.list(Filter{States: []State{Open}})))

	result, err := r.replayer.Replay(t.Context(), r.scope, l.ID, Order{Body: []byte(cost("c", `,"credits":1`))})
	require.NoError(t, err)
	require.Equal(t, Replayed, result.State, "somebody has thought better of it")
	_, err = r.store.Discard(t.Context(), r.scope, l.ID)
	require.ErrorIs(t, err, ErrReplayed)
	for _, id := range []string{"", "1", "x.0.log", "1.x.log", "1.0.log"} {
		_, err := r.store.Discard(t.Context(), r.scope, id)
		require.ErrorIs(t, err, ErrNotFound, id)
	}
}

// What a payload cannot be shown as is kept as it came.
func TestBinaryPayload(t *testing.T) {
	r := newRig(t)
	payload := "{\"id\":\"\xff\x00\"}" + strings.Repeat(" ", 200)
	r.send("acme", payload)
	l := r.list(Filter{})[0]
	require.Equal(t, string(event.CodeMalformedJSON), l.Code)
	_, err := r.store.Discard(t.Context(), r.scope, l.ID)
	require.NoError(t, err)
	got, err := r.store.Get(t.Context(), r.scope, l.ID)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(payload), string(got.Payload))
}
