package plugin

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
)

// tlsConfig returns how to encrypt the connection, nil for plain text.
func (s *Settings) tlsConfig() (*tls.Config, error) {
	if !s.Secure {
		return nil, nil //nolint:nilnil // nil is what the client takes for plain text
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         orDefault(strings.TrimSpace(s.ServerName), strings.Trim(s.Host, "[]")),
		InsecureSkipVerify: s.TLSSkipVerify, // #nosec G402 -- the administrator's choice, said beside the switch
	}
	if s.TLSAuthWithCACert {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(s.tlsCACert)) {
			return nil, &SettingsError{"tlsCACert", "It holds no certificate.", "Paste the authority's certificate, from -----BEGIN CERTIFICATE----- to the end, or switch “Own CA” off."}
		}
	}
	if s.TLSAuth {
		pair, err := tls.X509KeyPair([]byte(s.tlsClientCert), []byte(s.tlsClientKey))
		if err != nil {
			// The error describes the PEM's form and never quotes the key.
			return nil, &SettingsError{"tlsClientCert", "The client certificate and its key cannot be used: " + err.Error() + ".", "Paste both in PEM, the key unencrypted, or switch “Client certificate” off."}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
