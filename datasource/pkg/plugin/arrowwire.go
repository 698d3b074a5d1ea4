package plugin

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Grafana's SDK takes frames and makes Arrow of them itself. Frames that are Arrow already
// go past it: they are parked, an empty frame that is a ticket for them takes their place,
// and they take its place again when gRPC encodes the answer. So whatever else the SDK does
// for a call is done for these frames too.

// ticketPrefix begins the name of a frame that is a ticket. What follows cannot be guessed.
const ticketPrefix = "flowgauge-parked-"

var parked sync.Map // frames in Arrow, by ticket

// park keeps frames until they are redeemed, or the call is over.
func park(ctx context.Context, frames [][]byte) *data.Frame {
	ticket := ticketPrefix + rand.Text()
	parked.Store(ticket, frames)
	context.AfterFunc(ctx, func() { parked.Delete(ticket) })
	return data.NewFrame(ticket)
}

// arrowMagic begins what is Arrow. A caller may want JSON, in which there are no tickets.
const arrowMagic = "ARROW1"

// Redeem puts parked frames in the place of their tickets. A statement's author may have the
// words of a ticket anywhere, but not as the name of a frame without fields.
func Redeem(r *pluginv2.QueryDataResponse) error {
	for refID, answer := range r.Responses {
		if len(answer.Frames) != 1 || !bytes.HasPrefix(answer.Frames[0], []byte(arrowMagic)) || !bytes.Contains(answer.Frames[0], []byte(ticketPrefix)) {
			continue
		}
		frame, err := data.UnmarshalArrowFrame(answer.Frames[0])
		if err != nil {
			return fmt.Errorf("read the frame of %s: %w", refID, err)
		}
		if len(frame.Fields) > 0 || !strings.HasPrefix(frame.Name, ticketPrefix) {
			continue
		}
		frames, ok := parked.LoadAndDelete(frame.Name)
		if !ok {
			return fmt.Errorf("the frames of %s are gone: the call is over", refID)
		}
		answer.Frames = frames.([][]byte)
	}
	return nil
}

// codec is gRPC's, which redeems tickets.
type codec struct{ encoding.CodecV2 }

func init() { encoding.RegisterCodecV2(codec{encoding.GetCodecV2(proto.Name)}) }

// Marshal encodes a message.
func (c codec) Marshal(message any) (mem.BufferSlice, error) {
	if r, ok := message.(*pluginv2.QueryDataResponse); ok {
		if err := Redeem(r); err != nil {
			return nil, err
		}
	}
	return c.CodecV2.Marshal(message)
}
