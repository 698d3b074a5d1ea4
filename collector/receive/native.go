package receive

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
)

// Path is where events are sent in Flowgauge's own format.
const Path = "/api/v1/events"

// native is Flowgauge's own format: JSON or NDJSON.
type native struct{ receiver *Receiver }

const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
)

// Admit takes API keys, and a content type; none is taken for JSON.
func (n native) Admit(req *http.Request) (Principal, string, *Refusal) {
	who, why := n.receiver.Authenticate(req)
	if why != nil {
		return who, "", why
	}
	header := req.Header.Get("Content-Type")
	if strings.TrimSpace(header) == "" {
		return who, mediaJSON, nil
	}
	if media, ok := MediaType(header); ok {
		switch media {
		case mediaJSON:
			return who, mediaJSON, nil
		case mediaNDJSON, "application/ndjson":
			return who, mediaNDJSON, nil
		}
	}
	return who, "", &Refusal{
		Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
		Detail: "Content-Type must be application/json or application/x-ndjson, in UTF-8",
	}
}

// MediaType returns the media type of a Content-Type header in lower case, and
// whether the header can be read and the text is in UTF-8.
func MediaType(header string) (string, bool) {
	media, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	return media, err == nil && (charset == "" || charset == "utf-8" || charset == "utf8" || charset == "us-ascii")
}

// Decode reads JSON or NDJSON.
func (n native) Decode(m Message, yield event.Yield) *Refusal {
	format := event.FormatJSON
	if m.ContentType == mediaNDJSON {
		format = event.FormatNDJSON
	}
	opts := event.Options{Tenant: m.Who.Tenant, CrossTenant: m.Who.CrossTenant, MaxEvents: m.MaxEvents}
	fault := event.Decode(m.Body, format, opts, yield)
	if fault == nil {
		return nil
	}
	switch fault.Code {
	case event.CodeTooManyEvents:
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Code: fault.Code, Detail: fault.Message + "; send them in parts"}
	case event.CodeEmptyBody:
		return emptyBody
	}
	return &Refusal{
		Status: http.StatusBadRequest, Code: fault.Code, Field: fault.Field, Keep: true,
		Detail: fault.Message + "; nothing of the request was taken",
	}
}

// Answer is Receipted.
func (n native) Answer(_ Message, o *Outcome) Answer { return Receipted(o) }

// Receipted answers with the receipt: 202 when all events are durable, 207 when some
// were rejected, and a problem document when none could be used.
func Receipted(o *Outcome) Answer {
	switch {
	case o.Refusal != nil:
		return Problem(o)
	case len(o.Errors) > 0:
		return jsonAnswer(http.StatusMultiStatus, mediaJSON, o.Receipt)
	}
	b := make([]byte, 0, 64)
	b = append(b, `{"accepted":`...)
	b = strconv.AppendInt(b, int64(o.Accepted), 10)
	b = append(b, `,"duplicates":`...)
	b = strconv.AppendInt(b, int64(o.Duplicates), 10)
	b = append(b, `,"errors":[]}`...)
	return Answer{Status: http.StatusAccepted, ContentType: mediaJSON, Body: b}
}
