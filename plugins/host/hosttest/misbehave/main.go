// Command misbehave is a plugin that does what plugins must not do, as its settings say. It is
// for tests.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// settings say what happens to events whose metadata has the word "poison", or to all.
type settings struct {
	How  string `json:"how"`
	All  bool   `json:"all"`
	Mark string `json:"mark"` // the source that good events get
	Told string `json:"told"` // the file that messages and deliveries are written to
	Of   string `json:"of"`   // the export that it happens to; all if empty

	Secret string `json:"secret"` // what it tells everybody when it has one

	// Metrics say how it misbehaves when it is asked about series of them.
	Metrics map[string]string `json:"metrics"`
}

type plugin struct {
	settings
	telling sync.Mutex
}

func main() {
	p := &plugin{}
	if os.Getenv("MISBEHAVE_AT_START") == "exit" {
		fmt.Fprintln(os.Stderr, "no licence found")
		os.Exit(3)
	}
	version := "1.0.0"
	if executable, err := os.Executable(); err == nil && strings.Contains(executable, "liar") {
		version = "0.9.0"
	}
	contract.Serve(contract.Plugin{
		ID: "test-misbehave", Version: version, Enricher: p, Pricer: p, Notifier: p, Exporter: p, Forecaster: p, Detector: p, Panel: p,
		Configure: func(text json.RawMessage) error {
			if err := json.Unmarshal(text, &p.settings); err != nil {
				return err
			}
			if p.How == "refuse" {
				return errors.New(`how is "refuse": want anything else`)
			}
			if p.How == "refuse, told" {
				return errors.New(p.betray())
			}
			if p.How == "flood" {
				go flood()
			}
			if p.How == "leak" {
				go leak()
			}
			return nil
		},
	})
}

// betray says a secret, as it is, in a log and in a URL, and much more.
func (p *plugin) betray() string {
	text := fmt.Sprintf("GET https://users.example/?key=%s with %q: ", url.QueryEscape(p.Secret), p.Secret)
	fmt.Fprintf(os.Stderr, "the key is %s\n%s%s\n", p.Secret, strings.Repeat("x", 3990), p.Secret)
	return text + strings.Repeat("no answer ", 1000)
}

var kept [][]byte

func leak() {
	for {
		b := make([]byte, 16<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
		time.Sleep(20 * time.Millisecond)
	}
}

func flood() {
	for {
		fmt.Fprintln(os.Stderr, strings.Repeat("the same line once more ", 10))
	}
}

func (p *plugin) Enrich(_ context.Context, events []*contract.Event) ([]*contract.Change, error) {
	var changes []*contract.Change
	for i, e := range events {
		index := uint32(i)
		if strings.Contains(e.GetMetadata(), "tell") {
			fmt.Fprintf(os.Stderr, "%s\nit was told\n", strings.Repeat("x", 100_000))
		}
		change := &contract.Change{Index: index, Outcome: &contractv1.Change_Set{Set: &contract.Event{Source: &p.Mark}}}
		if p.All || strings.Contains(e.GetMetadata(), "poison") {
			var err error
			if change, err = p.misbehave(index); err != nil {
				return nil, err
			}
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// misbehave does it, or returns a bad change.
func (p *plugin) misbehave(index uint32) (*contract.Change, error) {
	text := "another"
	set := func(e *contract.Event) *contract.Change {
		return &contract.Change{Index: index, Outcome: &contractv1.Change_Set{Set: e}}
	}
	switch p.How {
	case "crash":
		os.Exit(7)
	case "panic":
		panic("a bug")
	case "hang":
		select {}
	case "error":
		return nil, errors.New("the directory of users does not answer")
	case "refused":
		return nil, status.Error(codes.InvalidArgument, "metadata: it has poison in it")
	case "unavailable":
		return nil, status.Error(codes.Unavailable, "the directory of users is down")
	case "deadline":
		return nil, status.Error(codes.DeadlineExceeded, "the directory of users takes too long")
	case "error, told":
		return nil, errors.New(p.betray())
	case "refused, told":
		return nil, status.Error(codes.InvalidArgument, p.betray())
	case "index":
		return &contract.Change{Index: 1 << 20}, nil
	case "identity":
		return set(&contract.Event{Id: "another"}), nil
	case "permission":
		return set(&contract.Event{UserId: &text}), nil
	case "invalid":
		long := strings.Repeat("x", 5000)
		return set(&contract.Event{Source: &long}), nil
	case "add":
		return &contract.Change{Index: index, Add: []*contract.Event{{Kind: contractv1.Kind_KIND_COST}}}, nil
	case "tenant":
		return &contract.Change{Index: index, Add: []*contract.Event{{Kind: contractv1.Kind_KIND_ACTIVITY, TenantId: "another"}}}, nil
	case "drop":
		return &contract.Change{Index: index, Outcome: &contractv1.Change_Drop{Drop: &contractv1.Drop{Reason: "it is not wanted"}}}, nil
	case "big":
		many := make([]*contract.Event, 0, 35_000)
		huge := strings.Repeat("x", 2000)
		for range cap(many) {
			many = append(many, &contract.Event{Metadata: &huge})
		}
		return &contract.Change{Index: index, Add: many}, nil
	}
	return set(&contract.Event{Source: &p.Mark}), nil
}

func (p *plugin) Price(_ context.Context, costs []*contract.Event) ([]*contract.Price, error) {
	var prices []*contract.Price
	for i, c := range costs {
		price := "1.5"
		switch p.How {
		case "garbage":
			price = "cheap"
		case "none":
			continue
		case "error":
			return nil, errors.New("no price list")
		}
		prices = append(prices, &contract.Price{Index: uint32(i), Dollars: price, Credits: c.Credits})
	}
	return prices, nil
}
