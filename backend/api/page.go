package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// page is the part of an answer that is given: some of its fields, some of its rows.
type page struct {
	fields   []*data.Field
	exact    [][]string // by field; nil where amounts are not exact
	columns  []func([]byte, int) []byte
	from, to int
	next     string // the cursor of what follows; empty at the end
	meta     query.Meta
}

// partialField says of each row whether its bucket is not over yet.
const partialField = "partial"

// answer writes a result as the caller wants it.
func (a *API) answer(c *gin.Context, f *format, r query.Request, res *query.Result) {
	p, err := paged(c.Request.URL.Query(), r, res)
	if err != nil {
		a.fail(c, err)
		return
	}
	write := func() ([]byte, error) { return f.write(p) }
	kept := write
	if raw := c.Request.URL.Query(); !raw.Has("fields") && !raw.Has("pageSize") && !raw.Has("cursor") {
		// Whole, an answer that is kept is written once for all who ask.
		kept = func() ([]byte, error) { return res.Encoded("rows as "+f.name, write) }
	}
	body, err := kept()
	if err != nil {
		a.fail(c, fmt.Errorf("write the answer as %s: %w", f.name, err))
		return
	}
	if p.next != "" {
		linkNext(c, p.next)
	}
	if f != &formats[0] {
		if meta, err := json.Marshal(p.meta); err == nil {
			c.Header("Flowgauge-Meta", strconv.QuoteToASCII(string(meta)))
		}
	}
	a.send(c, f.media, body)
}

// paged takes fields and rows out of a result.
func paged(raw url.Values, r query.Request, res *query.Result) (*page, error) {
	all := slices.Clone(res.Frame.Fields)
	if partial := partialRows(res); partial != nil {
		all = append(all, data.NewField(partialField, nil, partial))
	}
	p := &page{fields: all, to: res.Frame.Rows(), meta: res.Meta}
	if names := list(raw.Get("fields")); names != nil {
		p.fields = nil
		for i, name := range names {
			at := slices.IndexFunc(all, func(f *data.Field) bool { return f.Name == name })
			if at < 0 || slices.Contains(names[:i], name) {
				allowed := make([]string, len(all))
				for j, f := range all {
					allowed[j] = f.Name
				}
				return nil, invalid("fields", name, "no such field of this answer, or named twice", allowed[0], allowed...)
			}
			p.fields = append(p.fields, all[at])
		}
	}
	for _, f := range p.fields {
		p.exact = append(p.exact, res.Exact[f.Name])
		p.columns = append(p.columns, column(f, res.Exact[f.Name]))
	}
	return p, p.cut(raw, r, res.Frame)
}

// partialRows marks the rows of buckets that are not over; nil where there are none.
func partialRows(res *query.Result) []bool {
	if res.Meta.Granularity == query.Whole || len(res.Frame.Fields) == 0 {
		return nil
	}
	times := res.Frame.Fields[0]
	if times.Name != "time" || times.Type() != data.FieldTypeTime {
		return nil
	}
	out := make([]bool, times.Len())
	for i := range out {
		out[i] = res.Meta.PartialPeriod && !times.At(i).(time.Time).Before(res.Meta.PartialFrom)
	}
	return out
}

// cut takes the rows behind a cursor, as many as a page has. A cursor names the
// question and the last row that was given, so that rows that come or go before it
// neither repeat nor hide one.
func (p *page) cut(raw url.Values, r query.Request, f *data.Frame) error {
	size, _ := strconv.Atoi(raw.Get("pageSize")) // checked
	cursor := raw.Get("cursor")
	if size == 0 && cursor == "" {
		return nil
	}
	question, err := json.Marshal(r)
	if err != nil {
		return err
	}
	asked := sha256.Sum256(question)
	keys := rowKeys(f)
	if cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || len(b) != 16 || [8]byte(b) != [8]byte(asked[:]) {
			return invalid("cursor", cursor, "not a cursor of this question: take it from next, or the Link header, of the page before, and leave all other parameters as they were", "")
		}
		at := slices.Index(keys, binary.BigEndian.Uint64(b[8:]))
		if at < 0 {
			return &Problem{
				Type: problemType("cursor-gone"), Title: "Gone", Status: http.StatusGone, Param: "cursor",
				Detail: "the row that the cursor stands at is no longer in the answer: start again without it",
			}
		}
		p.from = at + 1
	}
	if size > 0 && p.from+size < p.to {
		p.to = p.from + size
		p.next = base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(asked[:8:8], keys[p.to-1]))
	}
	return nil
}

// rowKeys identify rows by their times and texts, and the how manyth such row it is;
// figures may change between two pages.
func rowKeys(f *data.Frame) []uint64 {
	keys, seen := make([]uint64, f.Rows()), map[uint64]uint64{}
	var b []byte
	for row := range keys {
		b = b[:0]
		for _, field := range f.Fields {
			switch v := field.At(row).(type) {
			case time.Time:
				b = binary.BigEndian.AppendUint64(b, uint64(v.UnixMilli()))
			case string:
				b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
			}
		}
		sum := sha256.Sum256(b)
		base := binary.BigEndian.Uint64(sum[:])
		keys[row] = base + seen[base]
		seen[base]++
	}
	return keys
}
