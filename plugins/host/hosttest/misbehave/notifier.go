package main

import (
	"context"
	"encoding/json"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Notify misbehaves as it is told, or writes the message to a file, a line each.
func (p *plugin) Notify(_ context.Context, m *contractv1.NotifyRequest) error {
	if p.All {
		if _, err := p.misbehave(0); err != nil {
			return err
		}
	}
	line, err := json.Marshal(map[string]string{"id": m.GetId(), "title": m.GetTitle(), "tenant": m.GetTenantId()})
	if err != nil {
		return err
	}
	return p.tell(line)
}
