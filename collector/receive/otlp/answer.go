package otlp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/flowgauge/flowgauge/collector/receive"
)

// Answer is 200 when all spans were accepted or none was for Flowgauge, 200 with a
// partial success when some were rejected, also when all were: they are kept, and
// sending them again would not help. Anything else is a google.rpc.Status. The
// encoding is that of the request.
//
// A span that no mapping is for is no rejected span: the sender can do nothing about
// it, and a partial success makes SDKs log an error.
func (p *Protocol) Answer(m receive.Message, o *receive.Outcome) receive.Answer {
	encode := encodeJSON
	if m.ContentType == mediaProtobuf {
		encode = encodeProtobuf
	}
	if o.Refusal != nil && o.Refusal.Code != receive.CodeNoUsableEvent {
		return encode.status(o.Refusal)
	}
	if rejected := len(o.Errors) + o.ErrorsOmitted; rejected > 0 {
		return encode.partial(rejected, rejectedMessage(rejected, &o.Errors[0]))
	}
	return encode.success()
}

func rejectedMessage(n int, first *receive.EventError) string {
	return fmt.Sprintf("rejected and kept as dead letters: %d; the first is the span %s at position %d: %s: %s",
		n, strconv.Quote(first.ID), first.Index, first.Code, first.Message)
}

// encoding is how an answer is encoded.
type encoding struct {
	success func() receive.Answer
	partial func(rejected int, message string) receive.Answer
	status  func(*receive.Refusal) receive.Answer
}

// rpcCode is the code of gRPC that a status of HTTP stands for. Clients do not rely on it.
func rpcCode(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return 16
	case http.StatusForbidden:
		return 7
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return 8
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return 14
	case http.StatusInternalServerError:
		return 13
	}
	return 3
}

const badRequestType = "type.googleapis.com/google.rpc.BadRequest"

var encodeProtobuf = encoding{
	success: func() receive.Answer { return protobuf(http.StatusOK, nil) },
	partial: func(rejected int, message string) receive.Answer {
		b := protowire.AppendTag(nil, 1, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(rejected))
		b = appendText(b, 2, message)
		return protobuf(http.StatusOK, appendText(nil, 1, string(b)))
	},
	status: func(why *receive.Refusal) receive.Answer {
		b := protowire.AppendTag(nil, 1, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(rpcCode(why.Status)))
		b = appendText(b, 2, message(why))
		if why.Status == http.StatusBadRequest {
			violation := appendText(appendText(nil, 1, why.Field), 2, why.Detail)
			detail := appendText(nil, 1, badRequestType)
			detail = appendText(detail, 2, string(appendText(nil, 1, string(violation))))
			b = appendText(b, 3, string(detail))
		}
		return protobuf(why.Status, b)
	},
}

func protobuf(status int, body []byte) receive.Answer {
	return receive.Answer{Status: status, ContentType: mediaProtobuf, Body: body}
}

// appendText appends a field that is a text or a message.
func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

// encodeJSON is the JSON mapping of protobuf, in which 64-bit numbers are texts.
var encodeJSON = encoding{
	success: func() receive.Answer { return asJSON(http.StatusOK, struct{}{}) },
	partial: func(rejected int, message string) receive.Answer {
		return asJSON(http.StatusOK, map[string]any{
			"partialSuccess": map[string]any{"rejectedSpans": strconv.Itoa(rejected), "errorMessage": message},
		})
	},
	status: func(why *receive.Refusal) receive.Answer {
		status := map[string]any{"code": rpcCode(why.Status), "message": message(why)}
		if why.Status == http.StatusBadRequest {
			status["details"] = []any{map[string]any{
				"@type":           badRequestType,
				"fieldViolations": []any{map[string]any{"field": why.Field, "description": why.Detail}},
			}}
		}
		return asJSON(why.Status, status)
	},
}

func message(why *receive.Refusal) string { return string(why.Code) + ": " + why.Detail }

func asJSON(status int, v any) receive.Answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic("otlp: " + err.Error()) // The types have nothing that cannot be marshalled.
	}
	return receive.Answer{Status: status, ContentType: mediaJSON, Body: b}
}
