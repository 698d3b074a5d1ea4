package main

import (
	"context"
	"encoding/json"
	"os"

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
	f, err := os.OpenFile(p.Told, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(append(line, '\n'))
	return err
}
