package app

import (
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/github"
	"github.com/flowgauge/flowgauge/collector/receive/gitlab"
	"github.com/flowgauge/flowgauge/collector/receive/openlineage"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

// webhooks serves the platforms that report their runs by themselves.
func webhooks(router gin.IRouter, receiver *receive.Receiver, sources config.Sources) error {
	for _, h := range sources.GitHub {
		protocol, err := github.New(hookOf(h.Hook), github.Level(h.Steps))
		if err != nil {
			return fmt.Errorf("sources.github: %w", err)
		}
		router.POST(github.Path+h.ID, receiver.Handle(protocol))
	}
	router.POST(gitlab.Path, receiver.Handle(gitlab.New(gitlab.Keys{Receiver: receiver})))
	for _, h := range sources.GitLab {
		sender, err := gitlab.NewConfigured(hookOf(h))
		if err != nil {
			return fmt.Errorf("sources.gitlab: %w", err)
		}
		router.POST(gitlab.Path+"/"+h.ID, receiver.Handle(gitlab.New(sender)))
	}
	if sources.OpenLineage.Enabled {
		cfg := openlineage.Config{JobNamespace: sources.OpenLineage.JobNamespace}
		router.POST(openlineage.Path, receiver.Handle(openlineage.New(receiver, cfg)))
		router.POST(openlineage.BatchPath, receiver.Handle(openlineage.NewBatch(receiver, cfg)))
	}
	return nil
}

func hookOf(h config.Hook) webhook.Hook {
	return webhook.Hook{ID: h.ID, Tenant: h.Tenant, Secrets: h.Secrets}
}
