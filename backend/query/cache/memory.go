package cache

import (
	"container/list"
	"sync"
)

// memory keeps the entries that were used last, up to a number of bytes.
type memory struct {
	most int64

	mu    sync.Mutex
	bytes int64
	order *list.List // of *entry, the last used in front
	byKey map[string]*list.Element
}

func newMemory(most int64) *memory {
	return &memory{most: most, order: list.New(), byKey: map[string]*list.Element{}}
}

func (m *memory) get(key string) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.byKey[key]
	if at == nil {
		return nil
	}
	m.order.MoveToFront(at)
	return at.Value.(*entry)
}

// put keeps an entry in the place of another under its key. One that would take an
// eighth of all is not kept: it would drive out too many others.
func (m *memory) put(e *entry) {
	e.size = e.weigh()
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.byKey[e.key]; at != nil {
		m.remove(at)
	}
	if e.size > m.most/8 {
		return
	}
	m.byKey[e.key] = m.order.PushFront(e)
	m.bytes += e.size
	for m.bytes > m.most {
		m.remove(m.order.Back())
	}
}

func (m *memory) remove(at *list.Element) {
	e := m.order.Remove(at).(*entry)
	delete(m.byKey, e.key)
	m.bytes -= e.size
}

// used returns how much there is.
func (m *memory) used() (bytes int64, entries int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes, len(m.byKey)
}
