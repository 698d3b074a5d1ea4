package app

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/query"
)

// questions serves what answers them.
func (a *App) questions(router gin.IRouter) error {
	engine, err := query.New(query.Config{Client: a.database.reader, Logger: a.log})
	if err != nil {
		return err
	}
	rest, err := api.New(api.Config{
		Analytics: a.tracedQuestions(engine), Authenticator: a.keys, Denied: keystore.Denied, Registerer: a.registry, Logger: a.log,
	})
	if err != nil {
		return err
	}
	rest.Register(router)
	return nil
}
