package api

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/document"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Documents is what the endpoints need of document.Store.
type Documents interface {
	List(ctx context.Context, p access.Principal, page document.Page) (_ []document.Document, next string, err error)
	Get(ctx context.Context, p access.Principal, id string) (document.Document, error)
	Create(ctx context.Context, p access.Principal, d document.Document) (document.Document, error)
	Change(ctx context.Context, p access.Principal, id string, version uint64, edit func(*document.Document) error) (document.Document, error)
	Delete(ctx context.Context, p access.Principal, id string, version uint64) error
}

const (
	defaultDocuments = 50
	maxName          = 200
)

// shelf serves the documents of one kind.
type shelf struct {
	*API
	docs Documents
	show func(document.Document) (any, error) // as the API shows one
}

// here reports whether this process keeps documents, and answers when it does not.
func (s shelf) here(c *gin.Context) bool {
	if s.docs == nil {
		s.problem(c, elsewhere("this process keeps no dashboards and reports: ask a server"))
	}
	return s.docs != nil
}

func (s shelf) refuse(c *gin.Context, err error) {
	switch {
	case errors.Is(err, document.ErrNotFound):
		err = Refused(http.StatusNotFound, "not-found", err.Error())
	case errors.Is(err, document.ErrForbidden):
		err = Refused(http.StatusForbidden, "forbidden", err.Error())
	case errors.Is(err, document.ErrChanged):
		err = Refused(http.StatusPreconditionFailed, "changed", err.Error())
	case errors.Is(err, document.ErrFull):
		err = Refused(http.StatusConflict, "too-many", err.Error())
	}
	s.fail(c, err)
}

func (s shelf) list(c *gin.Context, limit *int, cursor *string) {
	if !s.here(c) {
		return
	}
	page := document.Page{Limit: defaultDocuments}
	if limit != nil {
		page.Limit = *limit
	}
	if cursor != nil {
		page.After = *cursor
	}
	docs, next, err := s.docs.List(c.Request.Context(), principal(c), page)
	if errors.Is(err, document.ErrNotFound) {
		err = &Problem{
			Type: problemType("cursor-gone"), Title: "Gone", Status: http.StatusGone, Param: "cursor", Value: page.After,
			Detail: "the document that the cursor stands at is no longer there: start again without it",
		}
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	if err := s.owners(c, docs); err != nil {
		s.refuse(c, err)
		return
	}
	answer, list := gin.H{}, make([]any, len(docs))
	for i, d := range docs {
		if list[i], err = s.show(d); err != nil {
			s.refuse(c, err)
			return
		}
	}
	answer["data"] = list
	if next != "" {
		answer["next"] = next
		linkNext(c, next)
	}
	s.json(c, answer)
}

// owners leaves of documents' owners what the caller may know of them.
func (s shelf) owners(c *gin.Context, docs []document.Document) error {
	names, err := s.names(c)
	if err != nil {
		return err
	}
	for i := range docs {
		docs[i].Owner = names.Shown(docs[i].OwnerFor(principal(c)))
	}
	return nil
}

// People is what is needed of query.Engine to name users outside of answers.
type People interface {
	Names(ctx context.Context, p access.Principal) (*query.Names, error)
}

func (a *API) names(c *gin.Context) (*query.Names, error) {
	if a.people == nil {
		return nil, nil
	}
	return a.people.Names(c.Request.Context(), principal(c))
}

// linkNext names the address of the next page.
func linkNext(c *gin.Context, cursor string) {
	again := *c.Request.URL
	values := again.Query()
	values.Set("cursor", cursor)
	again.RawQuery = values.Encode()
	c.Header("Link", "<"+again.RequestURI()+`>; rel="next"`)
}

func (s shelf) get(c *gin.Context, id string, show func(document.Document) (any, error)) {
	if !s.here(c) {
		return
	}
	d, err := s.docs.Get(c.Request.Context(), principal(c), id)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.document(c, http.StatusOK, d, show)
}

func (s shelf) create(c *gin.Context, d document.Document, err error) {
	if err == nil {
		d, err = s.docs.Create(c.Request.Context(), principal(c), d)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Header("Location", strings.TrimSuffix(c.Request.URL.Path, "/")+"/"+d.ID)
	s.document(c, http.StatusCreated, d, s.show)
}

func (s shelf) put(c *gin.Context, id, ifMatch string, read func(text []byte, now document.Document) (document.Document, error)) {
	if !s.here(c) {
		return
	}
	if ifMatch == "" {
		p := Refused(http.StatusPreconditionRequired, "precondition-required", "send the ETag of what you replace in If-Match, or * to replace whatever is there")
		p.Param, p.Example = "If-Match", "*"
		s.fail(c, p)
		return
	}
	version, err := versionOf(ifMatch)
	if err != nil {
		s.refuse(c, err)
		return
	}
	text, err := body(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	d, err := s.docs.Change(c.Request.Context(), principal(c), id, version, func(now *document.Document) error {
		next, err := read(text, *now)
		now.Name, now.Public, now.Body = next.Name, next.Public, next.Body
		return err
	})
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.document(c, http.StatusOK, d, s.show)
}

func (s shelf) remove(c *gin.Context, id, ifMatch string) {
	if !s.here(c) {
		return
	}
	version, err := versionOf(ifMatch)
	if err == nil {
		err = s.docs.Delete(c.Request.Context(), principal(c), id, version)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}

// versionOf reads If-Match; 0 is any version. What is no ETag of a document matches
// none.
func versionOf(ifMatch string) (uint64, error) {
	if ifMatch == "" || ifMatch == "*" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.Trim(ifMatch, `"`), 10, 64)
	if err != nil || n == 0 {
		return 0, document.ErrChanged
	}
	return n, nil
}

// document answers with one, whose ETag is its version.
func (s shelf) document(c *gin.Context, status int, d document.Document, show func(document.Document) (any, error)) {
	tag := strconv.FormatUint(d.Version, 10)
	c.Header("ETag", `"`+tag+`"`)
	c.Header("Cache-Control", "private, no-cache")
	if c.Request.Method == http.MethodGet && known(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	one := []document.Document{d}
	if err := s.owners(c, one); err != nil {
		s.refuse(c, err)
		return
	}
	v, err := show(one[0])
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(status, v)
}

// body reads a document that is sent.
func body(c *gin.Context) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, document.MaxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, &Problem{Type: problemType("too-large"), Title: "Too large", Status: http.StatusRequestEntityTooLarge, Detail: "a document may have 4 MiB"}
	}
	if err != nil {
		return nil, invalid("body", "", "cannot be read: "+err.Error(), "")
	}
	return b, nil
}

// named checks the name of a document.
func named(param, name string) error {
	if n := len([]rune(name)); strings.TrimSpace(name) == "" || n > maxName {
		return invalid(param, name, "must be text of 1 to "+strconv.Itoa(maxName)+" characters", "Runs of the week")
	}
	return nil
}

// ours are the members that the server makes; in what is sent they are ignored, so
// that what was read can be sent back.
type ours struct {
	ID        string    `json:"id"`
	UserID    string    `json:"userId"`
	IsPublic  bool      `json:"isPublic"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func oursOf(d document.Document) ours { return ours{d.ID, d.Owner, d.Public, d.Created, d.Updated} }

// takeOurs removes them from what is sent, and returns isPublic.
func takeOurs(raw map[string]any) (public bool, err error) {
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if raw[name] == nil {
			return false, invalid(name, "null", "must not be null: leave it out", "")
		}
	}
	if v, ok := raw["isPublic"]; ok {
		if public, ok = v.(bool); !ok {
			return false, invalid("isPublic", "", "must be true or false", "false", "true", "false")
		}
	}
	for _, name := range []string{"id", "userId", "isPublic", "createdAt", "updatedAt"} {
		delete(raw, name)
	}
	return public, nil
}
