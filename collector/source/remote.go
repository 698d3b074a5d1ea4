package source

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	mostEvents    = 50_000   // of an answer, as of a request
	longestCursor = 64 << 10 // in bytes
	longestTold   = 64 << 10 // what a sender is told
	// largestAnswer to a request, whose body is smaller; several are waited for at once.
	largestAnswer = 32 << 20
)

const (
	mediaText = "text/plain"
	mediaJSON = "application/json"
)

// Remote asks a plugin in its process. An answer that breaks the contract is an error: nothing
// of it may be used, and it counts as a failure of the plugin's.
type Remote struct{ *host.Plugin }

// Receive asks what a request means. See is told which headers the plugin may see.
func (r Remote) Receive(ctx context.Context, req *contractv1.ReceiveRequest, see func(allowed []string) []*contractv1.Header) (*contractv1.ReceiveResponse, error) {
	var res *contractv1.ReceiveResponse
	err := r.ask(ctx, func(ctx context.Context, client contractv1.SourceClient, m *host.Manifest) (err error) {
		req.Headers = see(m.Permissions.Headers)
		if res, err = client.Receive(ctx, req, grpc.MaxCallRecvMsgSize(largestAnswer)); err != nil {
			return err
		}
		if err := checkTold(res); err != nil {
			return err
		}
		return vet(res.GetEvents(), req.GetTenantId(), m)
	})
	return res, err
}

// Headers picks those that a plugin may see. Messages have no text but UTF-8.
func Headers(all http.Header, allowed []string) []*contractv1.Header {
	var seen []*contractv1.Header
	for _, name := range allowed {
		for _, value := range all.Values(name) {
			seen = append(seen, &contractv1.Header{Name: name, Value: strings.ToValidUTF8(value, "\uFFFD")})
		}
	}
	return seen
}

// Pull asks for events.
func (r Remote) Pull(ctx context.Context, req *contractv1.PullRequest) (*contractv1.PullResponse, error) {
	var res *contractv1.PullResponse
	err := r.ask(ctx, func(ctx context.Context, client contractv1.SourceClient, m *host.Manifest) (err error) {
		if res, err = client.Pull(ctx, req); err != nil {
			return err
		}
		if err := checkCursor(req.GetCursor(), res); err != nil {
			return err
		}
		return vet(res.GetEvents(), req.GetTenantId(), m)
	})
	return res, err
}

func (r Remote) ask(ctx context.Context, do func(context.Context, contractv1.SourceClient, *host.Manifest) error) error {
	return r.Call(ctx, contract.ExtensionSource, func(ctx context.Context, conn grpc.ClientConnInterface, m *host.Manifest) error {
		return do(ctx, contractv1.NewSourceClient(conn), m)
	})
}

// vet finds what the plugin may not make, whoever it is asked for: events of other tenants, and
// of kinds that its manifest does not name. Events with another fault are the receiver's to refuse.
func vet(events []byte, tenant string, m *host.Manifest) error {
	var breach error
	fault := event.Decode(events, event.FormatNDJSON, event.Options{Tenant: tenant, MaxEvents: mostEvents}, func(i int, _ []byte, e *event.Event, err *event.Error) bool {
		switch {
		case err != nil && err.Code == event.CodeTenantMismatch:
			breach = fmt.Errorf("event %d of its answer, %q, is of another tenant than the one that it was asked for", i, event.Clip(e.ID, 100))
		case e.Kind != 0 && !slices.Contains(m.Permissions.Add, e.Kind.String()):
			breach = fmt.Errorf("event %d of its answer, %q, is of the kind %s, which its manifest does not permit (permissions.add)", i, event.Clip(e.ID, 100), e.Kind)
		}
		return breach == nil
	})
	if breach == nil && fault != nil && fault.Code != event.CodeEmptyBody {
		return fmt.Errorf("its answer cannot be taken: %s", fault.Message)
	}
	return breach
}

var toldTypes = []string{"", mediaText, mediaJSON}

// checkTold looks at what the sender of a request is to be told.
func checkTold(res *contractv1.ReceiveResponse) error {
	s := res.GetStatus()
	good := s == 0 || s >= http.StatusOK && s < http.StatusMultipleChoices
	media, _, err := mime.ParseMediaType(res.GetContentType())
	switch {
	case !good && (s < http.StatusBadRequest || s >= http.StatusInternalServerError):
		return fmt.Errorf("the status of its answer is %d: want 0, a success (200 to 299) or what is wrong with the request (400 to 499)", s)
	case !good && len(res.GetEvents()) > 0:
		return fmt.Errorf("its answer has events and the status %d, which tells the sender that they are not taken", s)
	case res.GetContentType() != "" && err != nil, !slices.Contains(toldTypes, media):
		return fmt.Errorf("the content type of its answer is %q: want %s or %s", event.Clip(res.GetContentType(), 100), mediaText, mediaJSON)
	case len(res.GetBody()) > longestTold:
		return fmt.Errorf("the body of its answer has %d bytes, %d are allowed", len(res.GetBody()), longestTold)
	}
	return nil
}

// checkCursor keeps a source from being asked the same for ever, or from its beginning again.
func checkCursor(before string, res *contractv1.PullResponse) error {
	switch after := res.GetCursor(); {
	case len(after) > longestCursor:
		return fmt.Errorf("its cursor has %d bytes, %d are allowed", len(after), longestCursor)
	case after == "" && before != "":
		return errors.New("its answer has no cursor, though it was asked with one: from the beginning again is never meant")
	case res.GetMore() && after == before:
		return errors.New("it says that there is more, and gives the cursor that it was asked with")
	}
	return nil
}
