package event

import "errors"

// The methods here read the value at the front, which is not null, as one field's.
// They return false when the text is not JSON; what is wrong with a value is a
// fault of the event.

// mismatch skips a value of another JSON type than the field's.
func (d *decoder) mismatch(f field, want string) bool {
	from := d.i
	if _, ok := d.skip(1); !ok {
		return false
	}
	d.fault(CodeWrongType, f, fieldNames[f]+" must be "+want+", not "+quote(d.b[from:d.i]))
	return true
}

// read returns the text of a string that has at most limit bytes; given says
// whether it is not empty and good.
func (d *decoder) read(f field, limit int) (s string, given, ok bool) {
	if d.peek() != '"' {
		return "", false, d.mismatch(f, "a string")
	}
	sp, ok := d.text()
	if !ok || sp.start == sp.end {
		return "", false, ok
	}
	s, valid := d.value(sp)
	switch {
	case !valid:
		d.fault(CodeInvalidString, f, fieldNames[f]+" must be valid Unicode, not "+quote(d.b[sp.start:sp.end]))
		return "", false, true
	case len(s) > limit:
		d.fault(CodeTooLong, f, fieldNames[f]+" has "+itoa(len(s))+" bytes, "+itoa(limit)+" are allowed")
		return "", false, true
	}
	d.values |= 1 << f
	return s, true, true
}

func (d *decoder) string(f field, to *string) bool {
	limit := MaxNameBytes
	if f == fieldErrorMessage {
		limit = MaxMessageBytes
	}
	s, given, ok := d.read(f, limit)
	if given {
		*to = s
	}
	return ok
}

func (d *decoder) kind() bool {
	s, given, ok := d.read(fieldKind, MaxNameBytes)
	if !given {
		return ok
	}
	switch s {
	case "execution":
		d.e.Kind = KindExecution
	case "step":
		d.e.Kind = KindStep
	case "cost":
		d.e.Kind = KindCost
	case "activity":
		d.e.Kind = KindActivity
	default:
		d.fault(CodeUnknownKind, fieldKind, `kind must be "execution", "step", "cost" or "activity", not `+quote(s))
	}
	return true
}

func (d *decoder) status() bool {
	s, given, ok := d.read(fieldStatus, MaxNameBytes)
	if !given {
		return ok
	}
	switch s {
	case "started":
		d.e.Status = StatusStarted
	case "completed":
		d.e.Status = StatusCompleted
	case "failed":
		d.e.Status = StatusFailed
	case "skipped":
		d.e.Status = StatusSkipped
	default:
		d.fault(CodeInvalidStatus, fieldStatus, `status must be "started", "completed", "failed" or "skipped", not `+quote(s))
	}
	return true
}

func (d *decoder) time(f field, to *int64) bool {
	s, given, ok := d.read(f, MaxNameBytes)
	if !given {
		return ok
	}
	ms, valid := parseTime(s)
	switch {
	case !valid:
		d.fault(CodeInvalidTime, f, fieldNames[f]+" must be a date and time of RFC 3339 such as 2024-05-31T23:59:59.123Z, not "+quote(s))
	case ms < minTime || ms >= maxTime:
		d.fault(CodeTimeOutOfRange, f, fieldNames[f]+" must lie from 1970 to 2099, not "+quote(s))
	default:
		*to = ms
	}
	return true
}

// isNumber says whether the value at the front is a number.
func (d *decoder) isNumber() bool {
	c := d.peek()
	return c == '-' || isDigit(c)
}

func (d *decoder) duration(f field) bool {
	if !d.isNumber() {
		return d.unnumbered(f, "a number of milliseconds")
	}
	b, ok := d.number()
	if !ok {
		return false
	}
	ms, code := parseDuration(b)
	if code == "" && ms > MaxDuration {
		code = CodeOutOfRange
	}
	if code != "" {
		d.fault(code, f, fieldNames[f]+" must be milliseconds from 0 to "+itoa(MaxDuration)+", not "+quote(b))
		return true
	}
	d.e.Duration = ms
	d.values |= 1 << f
	return true
}

func (d *decoder) count(f field, most int64, set func(int64)) bool {
	if !d.isNumber() {
		return d.unnumbered(f, "a number")
	}
	b, ok := d.number()
	if !ok {
		return false
	}
	n, code := parseCount(b, most)
	if code != "" {
		d.fault(code, f, fieldNames[f]+" must be a whole number from 0 to "+itoa(int(most))+", not "+quote(b))
		return true
	}
	set(n)
	d.values |= 1 << f
	return true
}

// unnumbered is mismatch for a field that takes a number: an empty string is absent.
func (d *decoder) unnumbered(f field, want string) bool {
	if d.i+1 < len(d.b) && d.b[d.i] == '"' && d.b[d.i+1] == '"' {
		d.i += 2
		return true
	}
	return d.mismatch(f, want)
}

func (d *decoder) amount(f field, to *Decimal) bool {
	var b []byte
	switch {
	case d.isNumber():
		var ok bool
		if b, ok = d.number(); !ok {
			return false
		}
	case d.peek() == '"':
		sp, ok := d.text()
		if !ok || sp.start == sp.end {
			return ok
		}
		b = d.b[sp.start:sp.end]
	default:
		return d.mismatch(f, "a number or a string of one")
	}
	v, err := ParseDecimal(b)
	switch {
	case err == nil:
		*to = v
		d.values |= 1 << f
	case errors.Is(err, ErrDecimalRange):
		d.fault(CodeOutOfRange, f, fieldNames[f]+" must be below 1e23, not "+quote(b))
	default:
		d.fault(CodeInvalidAmount, f, fieldNames[f]+" must be a number with at most 15 decimal places, not "+quote(b)+": "+err.Error())
	}
	return true
}

// dependsOn reads an array of ids. An empty one is absent.
func (d *decoder) dependsOn() bool {
	if c := d.peek(); c != '[' {
		if c == '"' {
			return d.unnumbered(fieldDependsOn, "an array of strings")
		}
		return d.mismatch(fieldDependsOn, "an array of strings")
	}
	// Given twice, the event is rejected, and the list bounded all the same.
	d.e.DependsOn = d.e.DependsOn[:0]
	d.i++
	if d.space() == ']' {
		d.i++
		return true
	}
	for n := 0; ; n++ {
		s, given, ok := d.read(fieldDependsOn, MaxNameBytes)
		switch {
		case !ok:
			return false
		case !given:
			d.fault(CodeWrongType, fieldDependsOn, "dependsOn must be an array of step ids, element "+itoa(n)+" is none")
		case n < MaxDependsOn:
			d.e.DependsOn = append(d.e.DependsOn, s)
		default:
			d.fault(CodeTooMany, fieldDependsOn, "dependsOn has more than "+itoa(MaxDependsOn)+" elements")
		}
		switch d.space() {
		case ',':
			d.i++
			d.space()
		case ']':
			d.i++
			return true
		default:
			return d.broken(`"," or "]"`)
		}
	}
}

// metadata keeps an object as its text.
func (d *decoder) metadata() bool {
	if c := d.peek(); c != '{' {
		if c == '"' {
			return d.unnumbered(fieldMetadata, "an object")
		}
		return d.mismatch(fieldMetadata, "an object")
	}
	from := d.i
	levels, ok := d.skip(1)
	if !ok {
		return false
	}
	raw := d.b[from:d.i]
	switch {
	case len(raw) > MaxMetadataBytes:
		d.fault(CodeTooLong, fieldMetadata, "metadata has "+itoa(len(raw))+" bytes, "+itoa(MaxMetadataBytes)+" are allowed")
	case levels > MaxMetadataDepth:
		d.fault(CodeTooDeep, fieldMetadata, "metadata is nested "+itoa(levels)+" levels deep, "+itoa(MaxMetadataDepth)+" are allowed")
	case !validUnicode(raw):
		d.fault(CodeInvalidString, fieldMetadata, "metadata must be valid Unicode")
	default:
		d.e.Metadata = viewString(raw)
		d.values |= 1 << fieldMetadata
	}
	return true
}
