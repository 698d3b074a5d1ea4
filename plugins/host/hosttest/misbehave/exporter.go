package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Export misbehaves as it is told, or writes the delivery to a file, a line each. The column
// dollars is written with it.
func (p *plugin) Export(_ context.Context, req *contractv1.ExportRequest) (*contractv1.ExportResponse, error) {
	var rows int
	var dollars []string
	for _, c := range req.GetTable().GetColumns() {
		rows = max(rows, len(c.GetNumbers().GetValues()), len(c.GetTexts().GetValues()), len(c.GetTimes().GetValues()), len(c.GetDecimals().GetValues()))
		if c.GetName() == "dollars" {
			dollars = c.GetDecimals().GetValues()
		}
	}
	line, err := json.Marshal(map[string]any{
		"delivery": req.GetDelivery(), "tenant": req.GetTenantId(), "name": req.GetName(), "from": req.GetFrom(), "to": req.GetTo(),
		"part": req.GetPart(), "last": req.GetLast(), "rows": rows, "dollars": dollars, "columns": len(req.GetTable().GetColumns()),
	})
	if err != nil {
		return nil, err
	}
	// Once, a part is written and the process ends before anybody knows.
	once := p.Told + ".once"
	if _, err := os.Stat(once); p.How == "crash_between" && req.GetPart() == 1 && errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(once, nil, 0o600); err != nil {
			return nil, err
		}
		if err := p.tell(line); err != nil {
			return nil, err
		}
		os.Exit(7)
	}
	if p.All && (p.Of == "" || p.Of == req.GetName()) {
		if _, err := p.misbehave(0); err != nil {
			return nil, err
		}
	}
	return &contractv1.ExportResponse{Location: "told"}, p.tell(line)
}

// tell adds a line to the file.
func (p *plugin) tell(line []byte) error {
	p.telling.Lock()
	defer p.telling.Unlock()
	f, err := os.OpenFile(p.Told, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(append(line, '\n'))
	return err
}
