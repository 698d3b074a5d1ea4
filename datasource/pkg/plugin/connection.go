package plugin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/ClickHouse/ch-go"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// connectionProblem recognises what goes wrong on the way to the server.
func connectionProblem(err error, s Settings) (problem, bool) {
	title, hint := connectionWords(err, s)
	return problem{Title: title, Hint: hint, Status: backend.StatusBadGateway, Source: backend.ErrorSourceDownstream}, title != ""
}

func connectionWords(err error, s Settings) (title, hint string) {
	if _, said := ch.AsException(err); said {
		return "", "" // the server was reached and says what it minds
	}
	if title, hint = tlsWords(err, s); title != "" {
		return title, hint
	}
	var (
		dns   *net.DNSError
		netOp *net.OpError
		netE  net.Error
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("The host %q is not known.", s.Host),
			"Check the host's spelling, and that Grafana's machine can resolve it."
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Nothing listens at %s.", s.addr()),
			"Check that ClickHouse runs there and that the port is the native protocol's, usually 9000, or 9440 with TLS."
	case wrongProtocol(err):
		return s.addr() + " accepts connections but does not speak ClickHouse's native protocol.",
			"It may be the HTTP port: use the native one, usually 9000 instead of 8123, or 9440 instead of 8443. Where the port expects TLS, switch it on."
	case errors.As(err, &netE) && netE.Timeout():
		return s.addr() + " did not answer in time.",
			"Check that no firewall is in between and that the address is right."
	case errors.As(err, &netOp):
		return fmt.Sprintf("The connection to %s failed: %v.", s.addr(), netOp.Err),
			"Check that the server runs and can be reached from Grafana's machine."
	}
	return "", ""
}

func tlsWords(err error, s Settings) (title, hint string) {
	var (
		notTLS    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &notTLS):
		return s.addr() + " does not speak TLS.",
			"Use the port that does, usually 9440, or switch TLS off."
	case errors.As(err, &authority):
		return "The server's certificate is signed by an authority that is not known here.",
			"Switch “Own CA” on and paste that authority's certificate."
	case errors.As(err, &name):
		return fmt.Sprintf("The server's certificate is not for %q.", orDefault(s.ServerName, s.Host)),
			"Enter a name that the certificate has as the server name."
	case errors.As(err, &invalid):
		return fmt.Sprintf("The server's certificate is not valid: %v.", invalid),
			"Have the server's certificate renewed."
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return fmt.Sprintf("The server ended the TLS handshake: %s.", lastPart(err)),
			"If it asks for a client certificate, switch “Client certificate” on and paste one that it accepts."
	}
	return "", ""
}

// wrongProtocol recognises a server that is reached and does not greet as
// ClickHouse does: it answers with something else, hangs up, or (ClickHouse's own
// HTTP port) waits for the end of a line that never comes.
func wrongProtocol(err error) bool {
	text := err.Error()
	if !strings.Contains(text, "handshake: ") {
		return false
	}
	for _, sign := range []string{"unexpected packet", "bad packet", "EOF", "connection reset", "i/o timeout"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// lastPart is the innermost reason of a chain of errors.
func lastPart(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "tls: "); i >= 0 {
		text = text[i+len("tls: "):]
	}
	if i := strings.Index(text, " ("); i >= 0 {
		text = text[:i]
	}
	return text
}
