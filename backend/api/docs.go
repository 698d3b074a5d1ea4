package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	swagger "github.com/swaggest/swgui/v5/static"
)

// DocsRoot is where a page to read the document and to try the endpoints is.
const DocsRoot = base + "/docs"

//go:embed docs
var docs embed.FS

// docsPolicy lets the page load what this server gives, and talk to this server.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsFile is a file of the page, compressed.
type docsFile struct {
	media, tag string
	gzipped    []byte
}

// docsFiles are the page's own, and Swagger UI as its package has it.
func docsFiles() (map[string]docsFile, error) {
	files := map[string]docsFile{}
	for name, media := range map[string]string{
		"index.html": "text/html", "init.js": "text/javascript", "style.css": "text/css",
		"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css",
	} {
		text, err := swagger.FS.ReadFile(name + ".gz")
		if err != nil {
			own, err := docs.ReadFile("docs/" + name)
			if err != nil {
				return nil, fmt.Errorf("page of the API: %w", err)
			}
			text = compress("gzip", own)
		}
		sum := sha256.Sum256(text)
		files[name] = docsFile{media: media + "; charset=utf-8", tag: hex.EncodeToString(sum[:16]), gzipped: text}
	}
	return files, nil
}

// RegisterDocs adds the page to a router. It can be read without a key.
func (a *API) RegisterDocs(router gin.IRouter) error {
	files, err := docsFiles()
	if err != nil {
		return err
	}
	router.GET(DocsRoot, func(c *gin.Context) { c.Redirect(http.StatusFound, DocsRoot+"/") })
	router.GET(DocsRoot+"/*file", func(c *gin.Context) {
		name := strings.TrimPrefix(c.Param("file"), "/")
		if name == "" {
			name = "index.html"
		}
		f, ok := files[name]
		if !ok {
			a.problem(c, notFound(c.Request.URL.Path))
			return
		}
		f.send(c)
	})
	return nil
}

func (f docsFile) send(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", `"`+f.tag+`"`)
	if known(c.GetHeader("If-None-Match"), f.tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	if strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		c.Data(http.StatusOK, f.media, f.gzipped)
		return
	}
	r, err := gzip.NewReader(bytes.NewReader(f.gzipped))
	if err == nil {
		h.Set("Content-Type", f.media)
		_, err = io.Copy(c.Writer, r)
	}
	if err != nil && !c.Writer.Written() {
		c.Status(http.StatusInternalServerError)
	}
}
