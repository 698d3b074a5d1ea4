package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestErrorsOfTheServerAreSorted(t *testing.T) {
	for code, want := range map[int]Class{
		252: ClassOverloaded, 202: ClassOverloaded,
		236: ClassUnavailable, 999: ClassUnavailable, 242: ClassUnavailable, 225: ClassUnavailable, 243: ClassUnavailable,
		241: ClassLimit,
		469: ClassData, 395: ClassData, 407: ClassData,
		60: ClassPermanent, 497: ClassPermanent, 164: ClassPermanent,
		516: ClassAuth,
	} {
		err := classify(fmt.Errorf("insert: %w", &ch.Exception{Code: proto.Error(code), Message: "m"}))
		assert.Equal(t, want, ClassOf(err), "%d", code)
		assert.Equal(t, want == ClassUnavailable || want == ClassOverloaded, Retryable(err), "%d", code)
	}
}

func TestABrokenHandshakeIsNoPermanentError(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	_, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12})
	require.Error(t, err)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, notTLS := tls.Dial("tcp", plain.Listener.Addr().String(), &tls.Config{MinVersion: tls.VersionTLS12})
	require.Error(t, notTLS)
	for _, err := range []error{err, notTLS, errors.New("remote error: tls: bad certificate")} {
		assert.Equal(t, ClassUnavailable, ClassOf(classify(err)), "%v", err)
	}
}
