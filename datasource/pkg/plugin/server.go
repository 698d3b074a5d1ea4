package plugin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// serverProblem recognises what the server itself says.
func serverProblem(err error, s Settings) (problem, bool) {
	p := problem{Source: backend.ErrorSourceDownstream}
	var known *clickhouse.Error
	errors.As(err, &known)
	ex, _ := ch.AsException(err)

	switch {
	case ex != nil && ex.Code == proto.ErrUnknownDatabase:
		p.Title = fmt.Sprintf("The server has no database %q.", s.Database)
		p.Hint = "Check its name, or create it by starting flowgauge."
		p.Status = backend.StatusNotFound
	case ex != nil && (ex.Code == proto.ErrUnknownTable || ex.Code == proto.ErrUnknownIdentifier):
		p.Title = fmt.Sprintf("The database %q does not have the tables of this version of Flowgauge.", s.Database)
		p.Hint = "Check the database's name, or run flowgauge migrate."
		p.Status = backend.StatusNotFound
	case ex != nil && ex.Code == proto.ErrAccessDenied:
		p.Title = fmt.Sprintf("The user %q has not the rights: %s", s.Username, sentence(ex.Message))
		p.Hint = fmt.Sprintf("Run GRANT SELECT ON %s.* TO %s on the server.", s.Database, s.Username)
		p.Status = backend.StatusForbidden
	case known == nil:
		return p, false
	case known.Class == clickhouse.ClassAuth:
		p.Title = fmt.Sprintf("The server does not accept the user %q with this password.", s.Username)
		p.Hint = "Check both in the datasource's settings."
		p.Status = backend.StatusUnauthorized
	case known.Class == clickhouse.ClassLimit:
		p.Title = "The query asked for more than the server allows."
		p.Hint = "Narrow the period or the number of groups, or raise the server's limits."
		p.Status = backend.StatusBadRequest
	case known.Class == clickhouse.ClassOverloaded:
		p.Title = "The server has too much to do."
		p.Hint = "Try again later, or lower the number of connections in the datasource's settings."
		p.Status = backend.StatusTooManyRequests
	case known.Class == clickhouse.ClassUnavailable:
		p.Title = fmt.Sprintf("The connection to %s was lost.", s.addr())
		p.Hint = orDefault(sentence(known.Hint), "Check that the server runs.")
		p.Status = backend.StatusBadGateway
	default:
		return p, false
	}
	return p, true
}

// sentence makes a phrase one.
func sentence(phrase string) string {
	phrase = strings.TrimSpace(phrase)
	if phrase == "" {
		return ""
	}
	return strings.ToUpper(phrase[:1]) + strings.TrimSuffix(phrase[1:], ".") + "."
}
