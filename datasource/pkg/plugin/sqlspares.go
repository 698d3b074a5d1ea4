package plugin

import (
	"sync"

	"github.com/ClickHouse/ch-go/proto"
)

// Columns that have been read are kept for the next answer with columns of their types:
// half of what an answer takes is memory that is made and grown. The collector takes those
// that nobody asks for.
var spares struct {
	sync.Mutex
	byKind map[proto.ColumnType]*sync.Pool
}

const (
	mostSpareKinds = 100     // types have parameters, so there is no end of them
	mostSpareText  = 8 << 20 // of a column
)

// sparesOf is nil when there are too many types already.
func sparesOf(kind proto.ColumnType) *sync.Pool {
	spares.Lock()
	defer spares.Unlock()
	pool := spares.byKind[kind]
	if pool == nil && len(spares.byKind) < mostSpareKinds {
		pool = &sync.Pool{}
		if spares.byKind == nil {
			spares.byKind = map[proto.ColumnType]*sync.Pool{}
		}
		spares.byKind[kind] = pool
	}
	return pool
}

// columnOf is a spare column, or a new one.
func columnOf(name string, kind proto.ColumnType) (answerColumn, error) {
	if kind.Base() == "SimpleAggregateFunction" { // it is sent as the type that it is a function of
		of := typesIn(kind)
		kind = of[len(of)-1]
	}
	if pool := sparesOf(kind); pool != nil {
		if c, ok := pool.Get().(*answerColumn); ok {
			c.name = name
			return *c, nil
		}
	}
	block, err := blockOf(kind)
	if err != nil {
		return answerColumn{}, cannotShow(name, kind)
	}
	values, err := sqlColumnOf(name, kind, block)
	return answerColumn{name, kind, block, values}, err
}

// spare keeps an answer's columns, which nothing may use any more.
func (a *sqlAnswer) spare() {
	for _, c := range a.columns {
		if t, ok := c.values.(*texts); ok && cap(t.all) > mostSpareText {
			continue
		}
		c.values.reset()
		if pool := sparesOf(c.kind); pool != nil {
			pool.Put(&c)
		}
	}
	a.columns = nil
}
