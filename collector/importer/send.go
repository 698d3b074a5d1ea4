package importer

import (
	"context"
	"errors"
	"net/http"

	"github.com/flowgauge/flowgauge/collector/client"
)

// send sends lines [from, to) of a batch. A request that is too large is halved,
// down to one line, which then is rejected: the collector's limit may be below
// BatchBytes, or a proxy's before it. So is one of whose rejected lines the answer
// lists only some, since each is to be told with its reason.
func send(ctx context.Context, s Sender, b *batch, from, to int) (client.Receipt, error) {
	if from == to {
		return client.Receipt{}, nil
	}
	r, err := s.Send(ctx, b.body[b.lines[from].start:b.lines[to-1].end+1], to-from)
	if err == nil && r.Omitted > 0 && to-from > 1 {
		return halves(ctx, s, b, from, to)
	}
	if err == nil {
		for i := range r.Errors {
			r.Errors[i].Index += from
		}
		return r, nil
	}
	se, ok := errors.AsType[*client.StatusError](err)
	if !ok || se.Status != http.StatusRequestEntityTooLarge {
		return r, err
	}
	if to-from == 1 {
		return client.Receipt{Errors: []client.EventError{{Index: from, Code: codeTooLarge, Message: se.Error()}}}, nil
	}
	return halves(ctx, s, b, from, to)
}

func halves(ctx context.Context, s Sender, b *batch, from, to int) (client.Receipt, error) {
	middle := from + (to-from)/2
	first, err := send(ctx, s, b, from, middle)
	if err != nil {
		return first, err
	}
	second, err := send(ctx, s, b, middle, to)
	first.Accepted += second.Accepted
	first.Duplicates += second.Duplicates
	first.Errors = append(first.Errors, second.Errors...)
	return first, err
}
