package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
)

func get(t *testing.T, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	req.Header.Set("X-Role", "admin")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

// Every format has the same figures, exact ones to the last digit.
func TestFormatsHaveTheSameFigures(t *testing.T) {
	h, _ := newHandler(t, &fake{result: sampleResult()})
	target := Root + "/costs?" + period
	text := get(t, h, target, "Accept", "text/csv")
	require.Equal(t, "text/csv; charset=utf-8", text.Header().Get("Content-Type"))
	records, err := csv.NewReader(text.Body).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"time", "workflow", "executions", "success_rate", "dollars"},
		{"2026-03-29T00:00:00+01:00", `a "b"`, "12345678901", "0.25", "0.100000000000001"},
		{"2026-03-30T00:00:00+02:00", "", "", "1e-07", ""},
	}, records)
	meta, err := strconv.Unquote(text.Header().Get("Flowgauge-Meta"))
	require.NoError(t, err)
	require.Contains(t, meta, `"timeZone":"Europe/Berlin"`)

	lines := strings.Split(strings.TrimSpace(get(t, h, target+"&format=ndjson").Body.String()), "\n")
	require.Len(t, lines, 2)
	require.JSONEq(t, `{"time":"2026-03-29T00:00:00+01:00","workflow":"a \"b\"","executions":12345678901,"success_rate":0.25,"dollars":"0.100000000000001"}`, lines[0])

	stream, err := ipc.NewReader(get(t, h, target, "Accept", "application/vnd.apache.arrow.stream, */*;q=0.1").Body)
	require.NoError(t, err)
	require.True(t, stream.Next())
	batch := stream.RecordBatch()
	require.EqualValues(t, 2, batch.NumRows())
	require.Equal(t, "dollars", batch.ColumnName(4))
	amounts := batch.Column(4).(*array.Decimal128)
	require.Equal(t, "0.100000000000001", amounts.ValueStr(0))
	require.True(t, amounts.IsNull(1))
	require.InDelta(t, 12345678901, batch.Column(2).(*array.Float64).Value(0), 0)
	require.Equal(t, sampleResult().Frame.At(0, 0).(time.Time).UnixNano(), int64(batch.Column(0).(*array.Timestamp).Value(0)))

	refused := get(t, h, target, "Accept", "application/pdf")
	require.Equal(t, http.StatusNotAcceptable, refused.Code)
	require.Contains(t, refused.Body.String(), "text/csv")
	require.Equal(t, "application/json; charset=utf-8", get(t, h, target, "Accept", "text/html,*/*;q=0.8").Header().Get("Content-Type"))
	require.Equal(t, http.StatusBadRequest, get(t, h, target+"&format=xml").Code)
}

func TestFieldsAreChosen(t *testing.T) {
	h, _ := newHandler(t, &fake{result: sampleResult()})
	body := get(t, h, Root+"/costs?"+period+"&format=ndjson&fields=dollars,%20workflow").Body.String()
	require.JSONEq(t, `{"dollars":"0.100000000000001","workflow":"a \"b\""}`, strings.SplitN(body, "\n", 2)[0])
	refused := get(t, h, Root+"/costs?"+period+"&fields=nope")
	require.Equal(t, http.StatusBadRequest, refused.Code)
	require.Contains(t, refused.Body.String(), `"success_rate"`)
	require.Contains(t, refused.Body.String(), `"example":"time"`)
}

// Rows of buckets that are not over are marked.
func TestPartialRows(t *testing.T) {
	res := sampleResult()
	res.Meta.Granularity, res.Meta.PartialPeriod = query.Day, true
	res.Meta.PartialFrom = res.Frame.At(0, 1).(time.Time)
	h, _ := newHandler(t, &fake{result: res})
	require.Equal(t, "{\"partial\":false}\n{\"partial\":true}\n", get(t, h, Root+"/costs?"+period+"&format=ndjson&fields=partial").Body.String())
}

// What a caller has already is not sent again, and a strong ETag is that of the bytes.
func TestETagAndCompression(t *testing.T) {
	many := make([]string, 500)
	for i := range many {
		many[i] = "workflow " + strconv.Itoa(i)
	}
	res := &query.Result{Frame: data.NewFrame("", data.NewField("workflow", nil, many))}
	h, _ := newHandler(t, &fake{result: res})
	target := Root + "/executions?" + period
	plain := get(t, h, target)
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	require.Equal(t, "private, no-cache", plain.Header().Get("Cache-Control"))
	tag := plain.Header().Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{32}"$`, tag)
	for coding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	} {
		packed := get(t, h, target, "Accept-Encoding", "br, "+coding+";q=0.5")
		require.Equal(t, coding, packed.Header().Get("Content-Encoding"))
		require.NotEqual(t, tag, packed.Header().Get("ETag"))
		require.Less(t, packed.Body.Len(), plain.Body.Len()/2)
		r, err := open(packed.Body)
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain.Body.Bytes(), body))
		again := get(t, h, target, "Accept-Encoding", coding, "If-None-Match", `"x", W/`+packed.Header().Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.Code)
		require.Zero(t, again.Body.Len())
	}
	require.Empty(t, get(t, h, target, "Accept-Encoding", "gzip;q=0, identity").Header().Get("Content-Encoding"))
	res.Frame.Fields[0].Set(0, "another")
	require.Equal(t, http.StatusOK, get(t, h, target, "If-None-Match", tag).Code)
}

// Pages give every row once, also when rows come and go before where they are.
func TestPages(t *testing.T) {
	rows := func(names ...string) *query.Result {
		return &query.Result{Frame: data.NewFrame("", data.NewField("workflow", nil, names))}
	}
	f := &fake{result: rows("b", "c", "d", "d", "e")}
	h, _ := newHandler(t, f)
	target := Root + "/executions?" + period + "&groupBy=workflow&pageSize=2"
	var names []string
	for next := target; next != ""; {
		rec := get(t, h, next)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		var page struct {
			Data []struct{ Workflow string }
			Next string
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &page))
		for _, r := range page.Data {
			names = append(names, r.Workflow)
		}
		next = ""
		if page.Next != "" {
			require.Equal(t, "<"+target[:strings.Index(target, "?")], strings.SplitN(rec.Header().Get("Link"), "?", 2)[0])
			next = target + "&cursor=" + url.QueryEscape(page.Next)
		}
		f.result = rows("a", "b", "c", "d", "d", "e")
	}
	require.Equal(t, []string{"b", "c", "d", "d", "e"}, names)

	rec := get(t, h, target)
	next := strings.TrimSuffix(strings.TrimPrefix(rec.Header().Get("Link"), "<"), `>; rel="next"`)
	other := get(t, h, strings.Replace(next, "groupBy=workflow", "groupBy=user", 1))
	require.Equal(t, http.StatusBadRequest, other.Code, "a cursor is of one question")
	f.result = rows("z")
	require.Equal(t, http.StatusGone, get(t, h, next).Code)
	require.Equal(t, http.StatusBadRequest, get(t, h, target+"&cursor=x").Code)
}
