package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// Client is how a client checks a server, and proves who it is. There is no way
// to not check.
type Client struct {
	CAFile     string // authorities of the server's certificate; the system's when empty
	CertFile   string // the client's own certificate, when the server asks for one
	KeyFile    string
	ServerName string // what the server's certificate must be for; the address' host when empty
}

// Config reads the files. The client's certificate is read again for each
// connection, so it may be replaced at any time; the authorities are not.
func (c Client) Config() (*tls.Config, error) {
	out := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		var err error
		if out.RootCAs, err = pool(c.CAFile); err != nil {
			return nil, err
		}
	}
	switch {
	case c.CertFile == "" && c.KeyFile == "":
		return out, nil
	case c.CertFile == "" || c.KeyFile == "":
		return nil, errors.New("a client certificate and its key belong together: give both")
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load client certificate %s and key %s: %w", c.CertFile, c.KeyFile, err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return out, nil
}
