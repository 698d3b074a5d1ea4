package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
)

// A Request is one that is sent to a source.
type Request struct {
	Name   string
	Method string
	Path   string // behind the plugin's id
	Query  string
	Header http.Header
	Body   []byte
}

// ReadRequests reads requests as HTTP writes them, each from a file: a line with method, path and
// version, headers, an empty line, and the body.
func ReadRequests(files []string) ([]Request, error) {
	var all []Request
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		head, body, found := bytes.Cut(text, []byte("\r\n\r\n"))
		if !found {
			head, body, _ = bytes.Cut(text, []byte("\n\n"))
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(bytes.Clone(head), "\n\n"...))))
		if err != nil {
			return nil, fmt.Errorf("%s: want POST / HTTP/1.1, headers, an empty line and the body: %w", name, err)
		}
		all = append(all, Request{Name: name, Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery, Header: req.Header, Body: body})
	}
	return all, nil
}
