package api

import (
	"errors"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
)

const maxBody = 1 << 20

// Query answers POST /query: any query.Request.
func (s server) Query(c *gin.Context, _ spec.QueryParams) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	r, known := s.readings.get(body)
	if err != nil || !known {
		if r, err = decode(body, err); err != nil {
			s.fail(c, err)
			return
		}
		s.readings.put(body, r)
	}
	s.ask(c, r)
}

// decode reads a question, unless it could not be received.
func decode(text []byte, err error) (query.Request, error) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return query.Request{}, &Problem{Type: problemType("too-large"), Title: "Too large", Status: http.StatusRequestEntityTooLarge, Detail: "the body may have 1 MiB"}
	case err != nil:
		return query.Request{}, invalid("body", "", "could not be received: "+err.Error(), "")
	}
	return requestjson.Decode(text)
}
