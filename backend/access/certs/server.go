// Package certs makes TLS configurations from files: the listener's, whose
// certificate is replaced while it serves, and those of clients.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Server is how a listener proves who it is, and whom it asks to.
type Server struct {
	CertFile     string // PEM, with the intermediate certificates
	KeyFile      string
	ClientCAFile string // authorities of clients' certificates
	ClientAuth   string // none, request or require
	MinVersion   string // 1.2 or 1.3
}

// ClientAuths are the values of Server.ClientAuth.
var clientAuths = map[string]tls.ClientAuthType{
	"": tls.NoClientCert, "none": tls.NoClientCert,
	"request": tls.VerifyClientCertIfGiven, "require": tls.RequireAndVerifyClientCert,
}

var versions = map[string]uint16{"": tls.VersionTLS13, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// Validate reports what cannot be used; it opens no file.
func (s Server) Validate() error {
	var errs []error
	if (s.CertFile == "") != (s.KeyFile == "") {
		errs = append(errs, errors.New("cert_file and key_file belong together: give both, or neither for plain HTTP"))
	}
	auth, known := clientAuths[s.ClientAuth]
	switch {
	case !known:
		errs = append(errs, fmt.Errorf("client_auth is %q: it is none, request or require", s.ClientAuth))
	case auth != tls.NoClientCert && s.ClientCAFile == "":
		errs = append(errs, fmt.Errorf("client_auth is %s: it needs client_ca_file, the authorities of clients' certificates", s.ClientAuth))
	case auth != tls.NoClientCert && s.CertFile == "":
		errs = append(errs, fmt.Errorf("client_auth is %s: it needs cert_file and key_file, since clients show certificates over TLS only", s.ClientAuth))
	}
	if _, known := versions[s.MinVersion]; !known {
		errs = append(errs, fmt.Errorf("min_version is %q: it is 1.2 or 1.3", s.MinVersion))
	}
	return errors.Join(errs...)
}

// lookEvery is how often the files are looked at, at most, when clients come.
const lookEvery = time.Second

// Reloader serves a certificate and replaces it when its files change.
// Connections that are there keep what they have. A file that cannot be used is
// reported once, and the last good one stays.
type Reloader struct {
	files Server
	log   *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   stamp // of the files that were tried last
	config *tls.Config
	leaf   *x509.Certificate
}

// stamp changes when one of the files does.
type stamp [3]struct {
	modified time.Time
	size     int64
}

// NewReloader loads the files for the first time.
func NewReloader(files Server, log *slog.Logger) (*Reloader, error) {
	if err := files.Validate(); err != nil {
		return nil, err
	}
	r := &Reloader{files: files, log: log, seen: files.stamp()}
	var err error
	r.config, r.leaf, err = files.load()
	return r, err
}

// TLS returns the listener's configuration.
func (r *Reloader) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: versions[r.files.MinVersion], // #nosec G402 -- 1.2 at least
		NextProtos: protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return r.current(), nil
		},
	}
}

var protocols = []string{"h2", "http/1.1"}

// Expires is when the certificate that is served ends.
func (r *Reloader) Expires() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaf.NotAfter
}

// current returns the same configuration until the files change: with it go the
// keys of sessions that clients resume.
func (r *Reloader) current() *tls.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.looked) < lookEvery {
		return r.config
	}
	r.looked = time.Now()
	now := r.files.stamp()
	if now == r.seen {
		return r.config
	}
	r.seen = now
	config, leaf, err := r.files.load()
	if err != nil {
		r.log.Error("the listener keeps its certificate: the new files cannot be used", "error", err)
		return r.config
	}
	r.config, r.leaf = config, leaf
	r.log.Info("the listener has a new certificate", "subject", leaf.Subject.String(), "expires", leaf.NotAfter)
	return config
}

func (s Server) stamp() (out stamp) {
	for i, path := range []string{s.CertFile, s.KeyFile, s.ClientCAFile} {
		if info, err := os.Stat(path); err == nil {
			out[i].modified, out[i].size = info.ModTime(), info.Size()
		}
	}
	return out
}

func (s Server) load() (*tls.Config, *x509.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("load certificate %s and key %s: %w", s.CertFile, s.KeyFile, err)
	}
	c := &tls.Config{
		MinVersion: versions[s.MinVersion], // #nosec G402 -- 1.2 at least
		NextProtos: protocols, Certificates: []tls.Certificate{pair}, ClientAuth: clientAuths[s.ClientAuth],
	}
	if c.ClientAuth != tls.NoClientCert {
		if c.ClientCAs, err = pool(s.ClientCAFile); err != nil {
			return nil, nil, err
		}
	}
	return c, pair.Leaf, nil
}

// pool reads authorities.
func pool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return p, nil
}
