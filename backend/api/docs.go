package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	swagger "github.com/swaggest/swgui/v5/static"
	"go.yaml.in/yaml/v3"
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
	document, err := docsDocument(openAPI)
	if err != nil {
		return nil, fmt.Errorf("page of the API: %w", err)
	}
	files["openapi.yaml"] = newDocsFile("application/yaml", compress("gzip", document))
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
		files[name] = newDocsFile(media, text)
	}
	return files, nil
}

func newDocsFile(media string, gzipped []byte) docsFile {
	sum := sha256.Sum256(gzipped)
	return docsFile{media: media + "; charset=utf-8", tag: hex.EncodeToString(sum[:16]), gzipped: gzipped}
}

// docsDocument is the document as the page has it: with the examples of parameters that
// need not be given in words only. It would fill them all in, and few go together.
func docsDocument(text []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	tellExamples(&root)
	return yaml.Marshal(&root)
}

func tellExamples(n *yaml.Node) {
	for _, child := range n.Content {
		tellExamples(child)
	}
	in, example := member(n, "in"), member(n, "example")
	if in == nil || example == nil || in.Value == "path" {
		return
	}
	if required := member(n, "required"); required != nil && required.Value == "true" {
		return
	}
	value := example.Value
	if len(example.Content) > 0 {
		value = example.Content[0].Value
	}
	if about := member(n, "description"); about != nil {
		about.Value = strings.TrimSpace(about.Value) + " (for example " + value + ")"
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == "example" {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// member returns a member of a mapping, nil without one.
func member(n *yaml.Node, name string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
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
