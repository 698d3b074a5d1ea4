package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressible is how long a body must be for compression to be worth it: what is
// shorter fits into one packet anyway.
const compressible = 1400

// json answers with an object.
func (a *API) json(c *gin.Context, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		a.fail(c, err)
		return
	}
	a.send(c, "application/json", body)
}

// send answers with a body, or says that the caller has it already. The answer is one
// caller's own; it may be kept by them, and is to be asked for each time.
func (a *API) send(c *gin.Context, media string, body []byte) {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:16])
	coding := ""
	if len(body) >= compressible {
		coding = codingOf(c.GetHeader("Accept-Encoding"))
	}
	if coding != "" {
		tag += "-" + coding // A strong ETag is that of the bytes that are sent.
	}
	h := c.Writer.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept, Accept-Encoding, Authorization")
	h.Set("ETag", `"`+tag+`"`)
	if strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "json") {
		media += "; charset=utf-8"
	}
	if c.Request.Method == http.MethodGet && known(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	if coding != "" {
		h.Set("Content-Encoding", coding)
		body = compress(coding, body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Data(http.StatusOK, media, body)
}

// known reports whether If-None-Match names what would be sent. Content in another
// coding is the same to who asks whether it has changed.
func known(header, tag string) bool {
	plain, _, _ := strings.Cut(tag, "-")
	for _, t := range strings.Split(header, ",") {
		t = strings.Trim(strings.TrimPrefix(strings.TrimSpace(t), "W/"), `"`)
		t, _, _ = strings.Cut(t, "-")
		if t == "*" || t == plain {
			return true
		}
	}
	return false
}

// codingOf picks what Accept-Encoding takes; zstd is faster and smaller.
func codingOf(accept string) string {
	for _, coding := range []string{"zstd", "gzip"} {
		for _, part := range strings.Split(accept, ",") {
			name, q, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
			if strings.EqualFold(name, coding) && strings.Trim(q, "q=0.") != "" || strings.EqualFold(name, coding) && q == "" {
				return coding
			}
		}
	}
	return ""
}

var zstdWriter = sync.OnceValue(func() *zstd.Encoder {
	w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest)) // no option of these fails
	return w
})

func compress(coding string, body []byte) []byte {
	if coding == "zstd" {
		return zstdWriter().EncodeAll(body, nil)
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = w.Write(body) // A buffer takes everything.
	_ = w.Close()
	return b.Bytes()
}
