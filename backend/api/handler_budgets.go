package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/document"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Budgets is what the endpoints need of budget.Service. How budgets stand is a question
// like any other, of kind budgets.
type Budgets interface {
	List(ctx context.Context, p access.Principal) ([]budget.Budget, error)
	Get(ctx context.Context, p access.Principal, id string) (budget.Budget, error)
	Change(ctx context.Context, p access.Principal, author string, changes []budget.Change) ([]budget.Budget, error)
	Delete(ctx context.Context, p access.Principal, author, id string, base uint64) error
}

// standing is a budget and how it stands.
type standing struct {
	budget.Budget
	State json.RawMessage `json:"state,omitempty"`
}

func (s server) keepsBudgets(c *gin.Context) bool {
	if s.budgets == nil {
		s.problem(c, elsewhere("this process keeps no budgets: ask a server"))
	}
	return s.budgets != nil
}

// refuseBudget answers with why a budget is not read or changed. several says that the
// body has more than one; conflict is what a change meanwhile is.
func (s server) refuseBudget(c *gin.Context, err error, several bool, conflict int) {
	at := ""
	var which *budget.ChangeError
	if errors.As(err, &which) && several {
		at = budgetAt(which.Index)
	}
	var wrong *budget.InvalidError
	switch {
	case errors.As(err, &wrong):
		err = wrongBudget(at, wrong.Field, "", wrong.Message)
	case errors.Is(err, budget.ErrNotFound):
		err = Refused(http.StatusNotFound, "not-found", budget.ErrNotFound.Error())
	case errors.Is(err, budget.ErrChanged):
		p := Refused(conflict, "changed", "another revision of the budget stands, or none: read it again and make your change there; a new budget has no revision")
		p.Param, p.Example = at+"revision", budgetMembers["revision"].example
		if conflict == http.StatusPreconditionFailed {
			p.Param, p.Example = "If-Match", "*"
		}
		err = p
	}
	s.fail(c, err)
}

// states asks how budgets stand now; all without an id.
func (s server) states(c *gin.Context, id string) (map[string]json.RawMessage, query.Meta, error) {
	now := time.Now()
	r := query.Request{Kind: query.KindBudgets, From: now.AddDate(0, 0, -1), To: now}
	if id != "" {
		r.Params = map[string]string{"budget": id}
	}
	res, err := s.analytics.Do(c.Request.Context(), principal(c), r)
	if err != nil {
		return nil, query.Meta{}, err
	}
	p, err := paged(nil, r, res)
	if err != nil {
		return nil, res.Meta, err
	}
	out := map[string]json.RawMessage{}
	ids, _ := res.Frame.FieldByName("budget")
	for row := range res.Frame.Rows() {
		if id, ok := ids.At(row).(string); ok {
			out[id] = p.object(nil, row)
		}
	}
	return out, res.Meta, nil
}

// ListBudgets answers GET /costs/budgets.
func (s server) ListBudgets(c *gin.Context) {
	if !s.keepsBudgets(c) {
		return
	}
	budgets, err := s.budgets.List(c.Request.Context(), principal(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	states, _, err := s.states(c, "")
	if err != nil {
		s.fail(c, err)
		return
	}
	names, err := s.names(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	list := make([]standing, len(budgets))
	for i, b := range budgets {
		list[i] = standing{shownBudget(names, b), states[b.ID]}
	}
	s.json(c, gin.H{"data": list})
}

// GetBudget answers GET /costs/budgets/{id}.
func (s server) GetBudget(c *gin.Context, id string) {
	if !s.keepsBudgets(c) {
		return
	}
	b, err := s.budgets.Get(c.Request.Context(), principal(c), id)
	if err != nil {
		s.refuseBudget(c, err, false, 0)
		return
	}
	states, meta, err := s.states(c, id)
	if err != nil {
		s.fail(c, err)
		return
	}
	names, err := s.names(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	b = shownBudget(names, b)
	body, err := json.Marshal(gin.H{"data": standing{b, states[id]}, "meta": meta})
	if err != nil {
		s.fail(c, err)
		return
	}
	// The revision for If-Match, then what else the answer has, which changes without one.
	shown, err := json.Marshal([]any{standing{b, states[id]}, meta.Budget})
	if err != nil {
		s.fail(c, err)
		return
	}
	sum := sha256.Sum256(shown)
	tag := strconv.FormatUint(b.Revision, 10) + "." + hex.EncodeToString(sum[:8])
	c.Header("ETag", `"`+tag+`"`)
	c.Header("Cache-Control", "private, no-cache")
	if known(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
}

// revisionOf reads If-Match; 0 is any revision.
func revisionOf(ifMatch string) (uint64, error) {
	revision, _, _ := strings.Cut(strings.Trim(ifMatch, `"`), ".")
	n, err := versionOf(revision)
	if err != nil {
		return 0, budget.ErrChanged
	}
	return n, nil
}

// PutBudgets answers PUT /costs/budgets.
func (s server) PutBudgets(c *gin.Context, _ spec.PutBudgetsParams) {
	if !s.keepsBudgets(c) {
		return
	}
	text, err := body(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	changes, several, err := takeBudgets(text)
	if err != nil {
		s.fail(c, err)
		return
	}
	conflict := http.StatusConflict
	if tag := c.GetHeader("If-Match"); tag != "" {
		if several {
			s.fail(c, invalid("If-Match", tag, "is for a single budget: give each of several the revision that was read", ""))
			return
		}
		conflict = http.StatusPreconditionFailed
		if changes[0].Base, err = revisionOf(tag); err != nil {
			s.refuseBudget(c, err, false, conflict)
			return
		}
		changes[0].Any = changes[0].Base == 0
	}
	names, err := s.names(c)
	for i := range changes {
		if err == nil {
			err = meantBudget(c.Request.Context(), names, &changes[i].Budget, several, i)
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	p := principal(c)
	budgets, err := s.budgets.Change(c.Request.Context(), p, document.OwnerOf(p), changes)
	if err != nil {
		s.refuseBudget(c, err, several, conflict)
		return
	}
	if !several {
		c.Header("ETag", `"`+strconv.FormatUint(budgets[0].Revision, 10)+`"`)
	}
	for i := range budgets {
		budgets[i] = shownBudget(names, budgets[i])
	}
	c.Header("Cache-Control", "private, no-cache")
	c.JSON(http.StatusOK, gin.H{"data": budgets})
}

// DeleteBudget answers DELETE /costs/budgets/{id}.
func (s server) DeleteBudget(c *gin.Context, id string, _ spec.DeleteBudgetParams) {
	if !s.keepsBudgets(c) {
		return
	}
	revision, err := revisionOf(c.GetHeader("If-Match"))
	if err == nil {
		p := principal(c)
		err = s.budgets.Delete(c.Request.Context(), p, document.OwnerOf(p), id, revision)
	}
	if err != nil {
		s.refuseBudget(c, err, false, http.StatusPreconditionFailed)
		return
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}
