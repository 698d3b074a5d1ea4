// Package tagger is an enricher to measure: it reads two fields of every event and sets one.
package tagger

import (
	"context"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// ID and Version are its plugin's.
const (
	ID      = "bench-tagger"
	Version = "1.0.0"
)

// Permissions are what it needs.
func Permissions() host.Permissions {
	return host.Permissions{Kinds: contract.Kinds, Read: []string{"userId", "workflowId"}, Write: []string{"source"}}
}

// Enricher names whether a user or the platform itself acts.
type Enricher struct{}

var byUser, byItself = "user", "platform"

// Enrich sets the source of every event.
func (Enricher) Enrich(_ context.Context, events []*contract.Event) ([]*contract.Change, error) {
	changes := make([]*contract.Change, len(events))
	for i, e := range events {
		source := &byItself
		if e.GetUserId() != "" {
			source = &byUser
		}
		changes[i] = &contract.Change{Index: uint32(i), Outcome: &contractv1.Change_Set{Set: &contract.Event{Source: source}}}
	}
	return changes, nil
}
