package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/flowgauge/flowgauge/backend/notify"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// messagesAtOnce are sent to a notifier.
const messagesAtOnce = 8

// messages are as Flowgauge sends them, with nothing in them, and with the longest and
// strangest that there may be.
func messages() []*contractv1.NotifyRequest {
	usual := &contractv1.NotifyRequest{
		Id: "conformance-usual", TenantId: "conformance", About: notify.AboutThreshold, Severity: contractv1.Severity_SEVERITY_WARNING,
		Title: "Conformance: 80 % of the budget is reached", Text: "Of 100 dollars for 2026-01-01 to 2026-01-31 (UTC), 80 are spent (80 %): 80 dollars, 80 % of the budget, is reached.",
		Details: `{"budget":"conformance","name":"Conformance","of":"dollars","amount":"100","reached":"80","spent":"80","periodStart":"2026-01-01T00:00:00Z","periodEnd":"2026-02-01T00:00:00Z"}`,
		At:      1_767_225_600_000,
	}
	empty := &contractv1.NotifyRequest{Id: "conformance-empty"}
	long := func(of string, most int) string { return strings.Repeat(of, most/len(of)) }
	longest := &contractv1.NotifyRequest{
		Id: "conformance-longest", TenantId: long("語", 256), About: "something.new", Severity: contractv1.Severity_SEVERITY_CRITICAL,
		Title: long("語", notify.MaxTitle), Text: long("words and more words ", notify.MaxText), Details: `{"name":"` + long("😀", notify.MaxDetails-20) + `"}`,
	}
	strange := &contractv1.NotifyRequest{
		Id: "conformance-strange", TenantId: "conformance", About: notify.AboutForecast, Severity: 99,
		Title: "\"'; DROP TABLE <b>😀</b> @channel *bold* ${HOME} %s {{.}}", Text: "\u202eback\u202c \u200b zero <!channel> &amp; \\n \n\n\t end", Details: `{}`, At: -1,
	}
	return []*contractv1.NotifyRequest{usual, empty, longest, strange}
}

// notifier makes the checks of messages. A plugin may refuse one; that it fails says that it
// is to be asked again.
func (t *tester) notifier(ctx context.Context, p notify.Remote) {
	all := messages()
	t.check("notifier: it delivers a message", func() error { return p.Notify(ctx, all[0]) })
	t.check("notifier: it takes the same message again", func() error { return p.Notify(ctx, all[0]) })
	t.check("notifier: it delivers or refuses messages with nothing in them, the longest and the strangest", func() error {
		var errs []error
		for _, m := range all[1:] {
			if err := p.Notify(ctx, m); err != nil && !refused(err) {
				errs = append(errs, fmt.Errorf("message %s: %w", m.GetId(), err))
			}
		}
		return errors.Join(errs...)
	})
	t.check(fmt.Sprintf("notifier: it takes %d messages at the same time", messagesAtOnce), func() error {
		errs := make([]error, messagesAtOnce)
		var sending sync.WaitGroup
		for i := range errs {
			sending.Go(func() {
				errs[i] = p.Notify(ctx, &contractv1.NotifyRequest{
					Id: "conformance-" + strconv.Itoa(i), TenantId: all[0].TenantId, About: all[0].About, Severity: all[0].Severity,
					Title: all[0].Title, Text: all[0].Text, Details: all[0].Details, At: all[0].At,
				})
			})
		}
		sending.Wait()
		return errors.Join(errs...)
	})
}

func refused(err error) bool {
	var no *host.RefusedError
	return errors.As(err, &no)
}
