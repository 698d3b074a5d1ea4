package host

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

var headerPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

// unseen are headers with what lets one in elsewhere: Flowgauge's API keys, and the sessions
// of whatever else is served under the same name.
var unseen = []string{"authorization", "proxy-authorization", "cookie", "cookie2", "set-cookie"}

// mostHeaders is more than any platform signs with.
const mostHeaders = 32

// checkHeaders says which headers cannot be asked for.
func checkHeaders(names []string) error {
	var errs []error
	if len(names) > mostHeaders {
		errs = append(errs, fmt.Errorf("permissions.headers: %d are named, %d are allowed", len(names), mostHeaders))
	}
	for _, name := range names {
		switch {
		case !headerPattern.MatchString(name):
			errs = append(errs, fmt.Errorf("permissions.headers: %q: want a header's name in lower case, such as x-hub-signature-256", name))
		case slices.Contains(unseen, name):
			errs = append(errs, fmt.Errorf("permissions.headers: %q is for Flowgauge alone: no plugin sees %s", name, quoted(unseen)))
		}
	}
	return errors.Join(errs...)
}
