package directory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Document is a whole directory. A membership may be written with the user, with the
// team, or with both; a team that users name needs no entry of its own.
type Document struct {
	Users []User `yaml:"users" json:"users"`
	Teams []Team `yaml:"teams" json:"teams"`
}

// Parse reads a document from YAML or JSON and checks it.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the directory has %d bytes; it may have %d", len(text), MaxBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	d := new(Document)
	if err := decoder.Decode(d); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the directory is empty: write at least 'users: []'")
		}
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	return d, d.complete()
}

// csvColumns are those of a CSV file; lists are separated by semicolons.
var csvColumns = []string{"id", "name", "role", "teams", "manages"}

// ParseCSV reads users, one a row, and checks them. The header names the columns: id,
// and any of name, role, teams and manages.
func ParseCSV(text []byte) (*Document, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the directory has %d bytes; it may have %d", len(text), MaxBytes)
	}
	rows := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	rows.TrimLeadingSpace = true
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("read the directory's header: %w", err)
	}
	column := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(csvColumns, name) {
			return nil, fmt.Errorf("the directory has a column %q; columns are %s", name, strings.Join(csvColumns, ", "))
		}
		column[name] = i
	}
	if _, ok := column["id"]; !ok {
		return nil, fmt.Errorf("the directory has no column id; columns are %s", strings.Join(csvColumns, ", "))
	}
	d, managers := new(Document), map[string][]string{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the directory: %w", err)
		}
		cell := func(name string) string {
			if i, ok := column[name]; ok {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		u := User{ID: cell("id"), Name: cell("name"), Role: access.Role(cell("role")), Teams: list(cell("teams"))}
		d.Users = append(d.Users, u)
		for _, team := range list(cell("manages")) {
			managers[team] = append(managers[team], u.ID)
		}
	}
	for team, ids := range managers {
		d.Teams = append(d.Teams, Team{ID: team, Managers: ids})
	}
	return d, d.complete()
}

func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// complete checks the entries, writes every membership down on both sides, and puts
// all in order. Its error lists the first faults.
func (d *Document) complete() error {
	const most = 20
	var errs []error
	users, teams := map[string]*User{}, map[string]*Team{}
	for i := range d.Users {
		u := &d.Users[i]
		err := u.validate()
		if err == nil && users[u.ID] != nil {
			err = &InvalidError{entryOf(kindUser, u.ID), "is there twice"}
		}
		users[u.ID] = u
		errs = append(errs, err)
	}
	for i := range d.Teams {
		t := &d.Teams[i]
		err := t.validate()
		if err == nil && teams[t.ID] != nil {
			err = &InvalidError{entryOf(kindTeam, t.ID), "is there twice"}
		}
		teams[t.ID] = t
		errs = append(errs, err)
	}
	for _, u := range d.Users {
		for _, id := range u.Teams {
			if err := checkID(entryOf(kindUser, u.ID), "a team", id); err != nil {
				errs = append(errs, err)
				continue
			}
			if teams[id] == nil {
				teams[id] = &Team{ID: id}
			}
			teams[id].Members = append(teams[id].Members, u.ID)
		}
	}
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) > most {
		errs = append(errs[:most], fmt.Errorf("and %d more", len(errs)-most))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	all := make([]Team, 0, len(teams))
	for _, t := range teams {
		all = append(all, *t)
	}
	*d = *newSnapshot(0, d.Users, all).Document()
	return d.checkSize()
}

func (d *Document) checkSize() error {
	memberships := 0
	for _, t := range d.Teams {
		memberships += len(t.Members) + len(t.Managers)
	}
	for _, limit := range []struct {
		what      string
		have, may int
	}{{"users", len(d.Users), MaxUsers}, {"teams", len(d.Teams), MaxTeams}, {"memberships", memberships, MaxMemberships}} {
		if limit.have > limit.may {
			return &InvalidError{"the directory", fmt.Sprintf("has %d %s; it may have %d", limit.have, limit.what, limit.may)}
		}
	}
	return nil
}
