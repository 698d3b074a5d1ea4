package event

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unsafe"
)

// The first byte of a record in the log names what it is and how it is
// encoded. A change of an encoding takes a new byte; old ones stay readable,
// since a log may hold records that an earlier release wrote.
const (
	RecordEvent      byte = 1 // AppendBinary, DecodeBinary
	RecordDeadLetter byte = 2 // AppendDeadLetter, DecodeDeadLetter
	// RecordFragment is 3.
	RecordDuplicates byte = 4 // AppendDuplicates, DecodeDuplicates
)

// RecordType returns the first byte of a record, or 0 when it has none.
func RecordType(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// ErrCorrupt says that a record is not what its first byte says it is.
var ErrCorrupt = errors.New("corrupt record")

// A record is its type, the kind, the status, a mask of the fields that follow,
// and those fields in the mask's order, lowest bit first. Absent is the zero
// value, NoTime for the optional times.
const (
	hasTenant fieldBit = 1 << iota
	hasSource
	hasID
	hasTime
	hasPreviousTime
	hasEndTime
	hasQueuedTime
	hasDuration
	hasWorkflowID
	hasWorkflowVersion
	hasUserID
	hasExecutionID
	hasAttempt
	hasTriggerID
	hasTriggerType
	hasStepCount
	hasErrorType
	hasErrorMessage
	hasStepID
	hasStepType
	hasInputSize
	hasOutputSize
	hasDependsOn
	hasActionType
	hasCredits
	hasDollars
	hasSessionID
	hasAction
	hasResource
	hasResourceID
	hasMetadata
	hasNoDollars // a flag without a value
	endOfMask
)

// AppendBinary appends e in the log's encoding to dst and returns it.
func AppendBinary(dst []byte, e *Event) []byte {
	m := mask(e)
	dst = append(dst, RecordEvent, byte(e.Kind), byte(e.Status))
	dst = binary.AppendUvarint(dst, m)
	for ; m != 0; m &= m - 1 {
		bit := fieldBit(m & -m)
		if p := stringField(e, bit); p != nil {
			dst = appendString(dst, *p)
			continue
		}
		if p := intField(e, bit); p != nil {
			dst = binary.AppendVarint(dst, *p)
			continue
		}
		if p := countField(e, bit); p != nil {
			dst = binary.AppendUvarint(dst, uint64(*p))
			continue
		}
		switch bit {
		case hasCredits:
			dst = appendDecimal(dst, e.Credits)
		case hasDollars:
			dst = appendDecimal(dst, e.Dollars)
		case hasDependsOn:
			dst = binary.AppendUvarint(dst, uint64(len(e.DependsOn)))
			for _, s := range e.DependsOn {
				dst = appendString(dst, s)
			}
		}
	}
	return dst
}

// DecodeBinary reads what AppendBinary wrote into e, all of whose fields it
// sets. The strings of e point into b: they are valid for as long as b is kept
// and not written to. The array of e.DependsOn is used again. What it allocates
// is bounded by the length of b. It returns ErrCorrupt for any other input.
func DecodeBinary(b []byte, e *Event) error {
	depends := e.DependsOn[:0]
	*e = Event{PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime}
	if len(b) < 4 || b[0] != RecordEvent {
		return ErrCorrupt
	}
	e.Kind, e.Status = Kind(b[1]), Status(b[2])
	if e.Kind < KindExecution || e.Kind > KindActivity || e.Status > StatusSkipped {
		return ErrCorrupt
	}
	r := reader{b: b[3:]}
	m := r.uvarint()
	if m >= uint64(endOfMask) {
		return ErrCorrupt
	}
	for ; m != 0; m &= m - 1 {
		bit := fieldBit(m & -m)
		if p := stringField(e, bit); p != nil {
			*p = r.string()
			continue
		}
		if p := intField(e, bit); p != nil {
			*p = r.varint()
			continue
		}
		if p := countField(e, bit); p != nil {
			*p = r.uint32()
			continue
		}
		switch bit {
		case hasCredits:
			e.Credits = r.decimal()
		case hasDollars:
			e.Dollars = r.decimal()
		case hasNoDollars:
			e.Pricing = PricingUnpriced
		case hasDependsOn:
			e.DependsOn = r.strings(depends)
		}
	}
	if r.bad || len(r.b) != 0 {
		return ErrCorrupt
	}
	return nil
}

// fieldBit is a field's bit in the mask.
type fieldBit uint64

// when returns the bit of a field that is present.
func (b fieldBit) when(present bool) fieldBit {
	if present {
		return b
	}
	return 0
}

// mask returns the fields of e that are present.
func mask(e *Event) uint64 {
	return uint64(hasTenant.when(e.Tenant != "") | hasSource.when(e.Source != "") | hasID.when(e.ID != "") |
		hasTime.when(e.Time != 0) | hasPreviousTime.when(e.PreviousTime != NoTime) | hasEndTime.when(e.EndTime != NoTime) |
		hasQueuedTime.when(e.QueuedTime != NoTime) | hasDuration.when(e.Duration != 0) | hasWorkflowID.when(e.WorkflowID != "") |
		hasWorkflowVersion.when(e.WorkflowVersion != 0) | hasUserID.when(e.UserID != "") | hasExecutionID.when(e.ExecutionID != "") |
		hasAttempt.when(e.Attempt != 0) | hasTriggerID.when(e.TriggerID != "") | hasTriggerType.when(e.TriggerType != "") |
		hasStepCount.when(e.StepCount != 0) | hasErrorType.when(e.ErrorType != "") | hasErrorMessage.when(e.ErrorMessage != "") |
		hasStepID.when(e.StepID != "") | hasStepType.when(e.StepType != "") | hasInputSize.when(e.InputSize != 0) |
		hasOutputSize.when(e.OutputSize != 0) | hasDependsOn.when(len(e.DependsOn) > 0) | hasActionType.when(e.ActionType != "") |
		hasCredits.when(!e.Credits.IsZero()) | hasDollars.when(e.Pricing == PricingSent && !e.Dollars.IsZero()) | hasSessionID.when(e.SessionID != "") |
		hasAction.when(e.Action != "") | hasResource.when(e.Resource != "") | hasResourceID.when(e.ResourceID != "") |
		hasMetadata.when(e.Metadata != "") | hasNoDollars.when(e.Pricing != PricingSent))
}

func stringField(e *Event, bit fieldBit) *string {
	switch bit {
	case hasTenant:
		return &e.Tenant
	case hasSource:
		return &e.Source
	case hasID:
		return &e.ID
	case hasWorkflowID:
		return &e.WorkflowID
	case hasUserID:
		return &e.UserID
	case hasExecutionID:
		return &e.ExecutionID
	case hasTriggerID:
		return &e.TriggerID
	case hasTriggerType:
		return &e.TriggerType
	case hasErrorType:
		return &e.ErrorType
	case hasErrorMessage:
		return &e.ErrorMessage
	case hasStepID:
		return &e.StepID
	case hasStepType:
		return &e.StepType
	case hasActionType:
		return &e.ActionType
	case hasSessionID:
		return &e.SessionID
	case hasAction:
		return &e.Action
	case hasResource:
		return &e.Resource
	case hasResourceID:
		return &e.ResourceID
	case hasMetadata:
		return &e.Metadata
	}
	return nil
}

func intField(e *Event, bit fieldBit) *int64 {
	switch bit {
	case hasTime:
		return &e.Time
	case hasPreviousTime:
		return &e.PreviousTime
	case hasEndTime:
		return &e.EndTime
	case hasQueuedTime:
		return &e.QueuedTime
	case hasDuration:
		return &e.Duration
	case hasInputSize:
		return &e.InputSize
	case hasOutputSize:
		return &e.OutputSize
	}
	return nil
}

func countField(e *Event, bit fieldBit) *uint32 {
	switch bit {
	case hasWorkflowVersion:
		return &e.WorkflowVersion
	case hasAttempt:
		return &e.Attempt
	case hasStepCount:
		return &e.StepCount
	}
	return nil
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendDecimal writes the 128-bit zigzag form in groups of 7 bits, so that small
// amounts of either sign are short.
func appendDecimal(dst []byte, d Decimal) []byte {
	sign := uint64(d.Hi >> 63)
	hi := (uint64(d.Hi)<<1 | d.Lo>>63) ^ sign
	lo := d.Lo<<1 ^ sign
	for hi != 0 || lo >= 0x80 {
		dst = append(dst, byte(lo)|0x80)
		lo, hi = lo>>7|hi<<57, hi>>7
	}
	return append(dst, byte(lo))
}

// reader takes fields off the front of b. After the first that is not there it
// is bad and returns zero values.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.bad = true
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uvarint()
	if v > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(v)
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) string() string {
	return viewString(r.bytes())
}

// strings appends a list of strings to dst.
func (r *reader) strings(dst []string) []string {
	n := r.uvarint()
	// Each takes a byte at least, so a forged count allocates no more than 16
	// bytes for every byte of input.
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	if dst == nil || uint64(cap(dst)) < n {
		dst = make([]string, 0, n)
	}
	for range n {
		dst = append(dst, r.string())
	}
	return dst
}

func (r *reader) decimal() Decimal {
	var hi, lo uint64
	for shift := uint(0); ; shift += 7 {
		if len(r.b) == 0 || shift > 126 {
			r.fail()
			return Decimal{}
		}
		c := r.b[0]
		r.b = r.b[1:]
		group := uint64(c & 0x7f)
		if shift < 64 {
			lo |= group << shift
			hi |= group >> (64 - shift)
		} else {
			if bits.Len64(group)+int(shift) > 128 {
				r.fail()
				return Decimal{}
			}
			hi |= group << (shift - 64)
		}
		if c < 0x80 {
			break
		}
	}
	sign := -(lo & 1)
	return Decimal{Lo: (lo>>1 | hi<<63) ^ sign, Hi: int64(hi>>1 ^ sign)}
}

// viewString returns b as a string that shares its bytes.
func viewString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // documented by the callers
}
