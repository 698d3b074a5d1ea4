package engine

import (
	"net"
	"strconv"
)

// A User is a ClickHouse user and its password.
type User struct {
	Name     string
	Password string
}

// An Endpoint is all that a client needs to connect.
type Endpoint struct {
	Host     string
	TCPPort  int
	HTTPPort int
	// Database is the one the reader has rights on. It is not created here:
	// migrations are the schema's business.
	Database string
	// Writer may do everything: DDL, DML, system tables.
	Writer User
	// Reader may select from Database and insert into its audit_log. Since
	// ClickHouse's readonly would forbid that insert, rights come from grants
	// alone.
	Reader User
	// SQL is for statements that people write: it is read-only, within limits that a
	// statement cannot raise, and may select from the database of its own name alone,
	// which somebody else fills with what people may read.
	SQL User
}

// TCPAddr is host:port of the native protocol.
func (e Endpoint) TCPAddr() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.TCPPort)) }

// HTTPAddr is host:port of the HTTP interface.
func (e Endpoint) HTTPAddr() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.HTTPPort)) }
