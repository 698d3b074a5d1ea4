package receive

import (
	"context"
	"net/http"
	"net/url"
)

// Take makes events durable that were fetched and not sent, NDJSON in Flowgauge's own format:
// the good ones, and the others as dead letters. A Refusal says why nothing of it was taken.
// It is for who fetches to say what may be among them.
func (r *Receiver) Take(ctx context.Context, who Principal, text []byte) (Receipt, *Refusal) {
	hold := &claim{budget: r.budget}
	defer hold.give()
	if !hold.take(int64(len(text))) {
		return Receipt{}, Overloaded
	}
	req := (&http.Request{Method: http.MethodPost, URL: &url.URL{Path: Path}}).WithContext(ctx)
	m := Message{Request: req, Who: who, ContentType: mediaNDJSON, Body: text, MaxEvents: r.config.Limits.Events}
	b := getBatch()
	if why := r.decode(b, native{r}, m, hold); why != nil {
		b.release()
		return Receipt{}, why
	}
	if why := r.keep(req, b, who); why != nil {
		return Receipt{}, why // The queue may still hold on to the batch.
	}
	receipt := b.receipt
	b.release()
	return receipt, nil
}
