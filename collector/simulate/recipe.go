package simulate

import (
	"fmt"
	"slices"
	"strings"
)

// stepType is a sort of step.
type stepType int

const (
	httpRequest stepType = iota
	databaseQuery
	llmCall
	email
	wait
	condition
	code
	transform
	storeFile
)

// stepTypes are what a step of a type is like.
var stepTypes = [...]struct {
	word    string // in recipes
	name    string
	median  float64 // ms
	sigma   float64
	fail    float64 // how often an attempt fails
	timeout float64 // ms; 0 is none
	in, out float64 // bytes
}{
	httpRequest:   {"http", "http-request", 320, 0.7, 0.012, 30_000, 1_400, 6_500},
	databaseQuery: {"db", "database-query", 110, 0.9, 0.004, 60_000, 700, 18_000},
	llmCall:       {"llm", "llm-call", 2600, 0.6, 0.018, 60_000, 5_200, 1_900},
	email:         {"email", "email", 170, 0.5, 0.006, 20_000, 3_000, 200},
	wait:          {"wait", "wait", 40_000, 0.8, 0, 0, 0, 0},
	condition:     {"condition", "condition", 3, 0.5, 0.0004, 0, 600, 20},
	code:          {"code", "code", 480, 0.8, 0.007, 0, 9_000, 7_000},
	transform:     {"transform", "transform", 22, 0.6, 0.003, 0, 4_000, 3_600},
	storeFile:     {"store", "file-storage", 240, 0.7, 0.005, 30_000, 180_000, 120},
}

// recipeStep is a step as its family describes it.
type recipeStep struct {
	name    string
	kind    stepType
	service string // upstream, "" for none
	deps    []int
	guarded bool // skipped when its first dependency, a condition, is false
}

// parseRecipe reads steps, separated by blanks:
//
//	NAME:TYPE[@SERVICE][?][<DEP+DEP…]
//
// A step depends on the one before it unless it names others; "<" alone is none.
// "?" makes it depend on the outcome of the condition it follows.
func parseRecipe(recipe string) ([]recipeStep, error) {
	var steps []recipeStep
	for _, word := range strings.Fields(recipe) {
		head, deps, named := strings.Cut(word, "<")
		s := recipeStep{}
		if !named && len(steps) > 0 {
			s.deps = []int{len(steps) - 1}
		}
		for _, dep := range strings.FieldsFunc(deps, func(r rune) bool { return r == '+' }) {
			i := slices.IndexFunc(steps, func(s recipeStep) bool { return s.name == dep })
			if i < 0 {
				return nil, fmt.Errorf("recipe step %q: no step %q before it", word, dep)
			}
			s.deps = append(s.deps, i)
		}
		head, s.guarded = strings.CutSuffix(head, "?")
		head, s.service, _ = strings.Cut(head, "@")
		name, kind, _ := strings.Cut(head, ":")
		s.name = name
		s.kind = -1
		for k := range stepTypes {
			if stepTypes[k].word == kind {
				s.kind = stepType(k)
			}
		}
		if s.kind < 0 {
			return nil, fmt.Errorf("recipe step %q: no step type %q", word, kind)
		}
		if s.guarded && (len(s.deps) == 0 || steps[s.deps[0]].kind != condition) {
			return nil, fmt.Errorf("recipe step %q: follows no condition", word)
		}
		steps = append(steps, s)
	}
	return steps, nil
}
