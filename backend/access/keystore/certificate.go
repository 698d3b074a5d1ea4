package keystore

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// ParseCertificate checks how a key names client certificates, and returns the
// form that is compared:
//
//	spki:HEX   the SHA-256 of the public key's SubjectPublicKeyInfo, this very key
//	san:NAME   a DNS name, an e-mail address or a URI of the certificate
//	cn:NAME    the subject's common name
func ParseCertificate(text string) (string, error) {
	how, name, _ := strings.Cut(text, ":")
	switch {
	case text == "":
		return "", nil
	case how == "spki":
		name = strings.ToLower(strings.ReplaceAll(name, ":", ""))
		if b, err := hex.DecodeString(name); err == nil && len(b) == sha256.Size {
			return how + ":" + name, nil
		}
	case (how == "san" || how == "cn") && strings.TrimSpace(name) != "":
		return text, nil
	}
	return "", fmt.Errorf("certificate is %q: it is spki:HEX (SHA-256 of the public key), san:NAME (DNS name, e-mail address or URI) or cn:NAME", text)
}

// namesOf returns what a key may call a certificate, the most exact first.
func namesOf(c *x509.Certificate) []string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	names := []string{"spki:" + hex.EncodeToString(sum[:])}
	for _, u := range c.URIs {
		names = append(names, "san:"+u.String())
	}
	for _, name := range c.DNSNames {
		names = append(names, "san:"+name)
	}
	for _, name := range c.EmailAddresses {
		names = append(names, "san:"+name)
	}
	if c.Subject.CommonName != "" {
		names = append(names, "cn:"+c.Subject.CommonName)
	}
	return names
}

// byCertificate finds the key that a client certificate stands for. Only a
// certificate that leads to an authority of http.tls.client_ca_file counts.
func (s *Store) byCertificate(r *http.Request, now time.Time) (access.Principal, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return access.Principal{}, ErrMissing
	}
	keys := s.now.Load()
	if keys == nil {
		return access.Principal{}, ErrNotLoaded
	}
	for _, name := range namesOf(r.TLS.VerifiedChains[0][0]) {
		if e := keys.certificates[name]; e != nil {
			return e.admit(now)
		}
	}
	return access.Principal{}, ErrCertificate
}
