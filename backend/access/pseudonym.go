package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

const (
	pseudonymPrefix = "u_"
	pseudonymLength = 16 // characters, 80 bits
)

var pseudonymEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// TenantKey derives a tenant's key from the one of the installation, so that the
// same person has another pseudonym in each tenant.
func TenantKey(secret []byte, tenant string) []byte {
	h := hmac.New(sha256.New, secret)
	_, _ = h.Write([]byte("flowgauge pseudonyms of tenant\x00" + tenant))
	return h.Sum(nil)
}

// Pseudonym returns what stands for a user's id: the same for the same key and id,
// and of no use without the key. Nobody's is nobody's.
func Pseudonym(key []byte, id string) string {
	if id == "" {
		return ""
	}
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(id))
	return pseudonymPrefix + pseudonymEncoding.EncodeToString(h.Sum(nil))[:pseudonymLength]
}

// IsPseudonym reports whether a text has the form of a pseudonym.
func IsPseudonym(text string) bool {
	rest, ok := strings.CutPrefix(text, pseudonymPrefix)
	return ok && len(rest) == pseudonymLength && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
}
