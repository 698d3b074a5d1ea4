package query

import "sync"

// encodings are what a shared answer has been turned into, by format.
type encodings struct {
	mu       sync.Mutex
	byFormat map[string][]byte
}

// Share says that others get this answer too: nobody changes it from now on, and what
// it is turned into is kept with it.
func (r *Result) Share() {
	if r.encodings == nil {
		r.encodings = &encodings{byFormat: map[string][]byte{}}
	}
}

// Encoded returns what an answer is in some format. It is made once for a shared
// answer; whoever gets it does not change it.
func (r *Result) Encoded(format string, encode func() ([]byte, error)) ([]byte, error) {
	if r.encodings == nil {
		return encode()
	}
	r.encodings.mu.Lock()
	defer r.encodings.mu.Unlock()
	if b, ok := r.encodings.byFormat[format]; ok {
		return b, nil
	}
	b, err := encode()
	if err == nil {
		r.encodings.byFormat[format] = b
	}
	return b, err
}
