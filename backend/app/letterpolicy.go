package app

import (
	"context"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/query"
)

// auditLetters is what a record calls a reading of dead letters.
const auditLetters query.Kind = "dead_letters"

// withheld stands in the place of what a policy keeps back of a dead letter.
const withheld = "[withheld by the access policy]"

// errSearch refuses what would find out letter by letter what is withheld.
var errSearch = &query.AccessError{Message: "search looks into what was sent, which the access policy withholds: filter by source, kind, code, field or key"}

// letterRules applies policies and the audit log to what does not go through the engine.
type letterRules struct{ engine *query.Engine }

// recorded does what reads rows, keeping back what was read if a record of it cannot be
// kept. keep says that the caller's policy keeps something from them.
func (r letterRules) recorded(ctx context.Context, p access.Principal, what query.AuditRecord, do func(keep bool) (rows int, err error)) error {
	what.Kind = auditLetters
	names, err := r.engine.Names(ctx, p)
	if err == nil {
		what.Rows, err = do(names.Keep())
	}
	if err != nil {
		what.Rows = 0
	}
	err = letterProblem(err)
	if why := r.engine.RecordAs(ctx, p, what, err); why != nil {
		return why
	}
	return err
}

// letterRecord is the record of a list.
func letterRecord(f api.DeadLetterFilter) query.AuditRecord {
	r := query.AuditRecord{From: f.From, To: f.To, Params: map[string]string{}}
	for name, values := range map[string][]string{
		"source": f.Sources, "kind": f.Kinds, "code": f.Codes, "field": f.Fields, "key": f.Keys, "state": f.States, "search": {f.Search},
	} {
		if text := strings.Join(values, ", "); text != "" {
			r.Params[name] = text
		}
	}
	return r
}
