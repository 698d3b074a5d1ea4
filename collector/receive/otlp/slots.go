package otlp

// slots finds the attributes that mappings refer to.
type slots struct {
	index map[string]int
	names []string

	// What the attribute at each position was in the span before. A library's spans
	// have mostly the same attributes in the same order, and one comparison is
	// cheaper than a look-up.
	guess [32]struct {
		key  string
		slot int
	}
}

// add returns the slot of a name, a new one for a new name.
func (s *slots) add(name string) int {
	if i, ok := s.index[name]; ok {
		return i
	}
	if s.index == nil {
		s.index = map[string]int{}
	}
	i := len(s.names)
	s.index[name] = i
	s.names = append(s.names, name)
	return i
}

// read appends an attribute, a KeyValue's message.
func (s *slots) read(to []attribute, message []byte) ([]attribute, bool) {
	key, value, ok := keyValue(message)
	if !ok {
		return to, false
	}
	return append(to, attribute{key: key, value: value, slot: s.find(len(to), key)}), true
}

func (s *slots) find(position int, key string) int {
	if position < len(s.guess) {
		if g := &s.guess[position]; g.key == key && key != "" {
			return g.slot
		}
	}
	slot, ok := s.index[key]
	if !ok {
		slot = -1
	}
	if position < len(s.guess) {
		s.guess[position].key, s.guess[position].slot = key, slot
	}
	return slot
}

// forget drops what shares the bytes of a request.
func (s *slots) forget() {
	clear(s.guess[:])
}
