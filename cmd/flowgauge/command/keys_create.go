package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

func newKeysCreate() *cobra.Command {
	var tenant, name, expires, burst, certificate, role, user string
	var scopes []string
	var crossTenant, asJSON bool
	var events, requests float64
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an API key and print its secret, once",
		Long: `Makes an API key. Scopes: ingest may send events, read may ask questions, admin may do both and look
after the tenant's keys. A cross-tenant key may send events of any tenant and, with admin, look after
every tenant's keys. With --user it is a person's: a viewer sees their own data, a manager that of the
teams that they manage in the directory, an admin the tenant's. Limits that are not given are the configuration's (limits.*).`,
		Example: `  flowgauge keys create --name ci --scope ingest --expires 90d
  KEY=$(flowgauge keys create --tenant acme --name dashboards --scope read)
  flowgauge keys create --name ana --scope read --role viewer --user ana
  flowgauge keys create --name mona --scope read --role manager --user mona
  flowgauge keys create --name edge --scope ingest --events-per-second 5000 --burst 30s
  flowgauge keys create --name edge --scope ingest --certificate san:edge-1.example.com`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			want := keystore.Key{Tenant: tenant, Name: name, CrossTenant: crossTenant, Certificate: certificate, Role: access.Role(role), UserID: user}
			if tenant == "" {
				want.Tenant = cfg.Tenant
			}
			for _, s := range scopes {
				want.Scopes = append(want.Scopes, access.Scope(s))
			}
			if expires != "" {
				in, err := parseSpan("--expires", expires)
				if err != nil {
					return err
				}
				want.ExpiresAt = time.Now().UTC().Add(in)
			}
			if cmd.Flags().Changed("events-per-second") {
				want.Limits.EventsPerSecond = &events
			}
			if cmd.Flags().Changed("requests-per-second") {
				want.Limits.RequestsPerSecond = &requests
			}
			if burst != "" {
				span, err := parseSpan("--burst", burst)
				if err != nil {
					return err
				}
				want.Limits.BurstSeconds = new(span.Seconds())
			}
			// The first key may come before the first collector.
			return withKeys(cmd, schema.Migrate, func(ctx context.Context, store *keystore.Store) error {
				secret, k, err := store.Create(ctx, want)
				if err != nil {
					return err
				}
				return printSecret(cmd, asJSON, k, secret)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&tenant, "tenant", "", "whose key it is (default the configuration's tenant)")
	flags.StringVar(&name, "name", "", "what the key is for")
	flags.StringSliceVar(&scopes, "scope", []string{"ingest"}, "ingest, read, admin, or several with commas")
	flags.StringVar(&user, "user", "", "the person whose key it is: the id that events carry as userId (default a program's key)")
	flags.StringVar(&role, "role", "", "viewer, manager or admin, for a person's key (default what the directory says)")
	flags.BoolVar(&crossTenant, "cross-tenant", false, "the key may name other tenants")
	flags.StringVar(&expires, "expires", "", "after how long the key ends, e.g. 90d (default never)")
	flags.Float64Var(&events, "events-per-second", 0, "limit of events; 0 is none")
	flags.Float64Var(&requests, "requests-per-second", 0, "limit of requests; 0 is none")
	flags.StringVar(&burst, "burst", "", "what may come at once, as the time in which it may come, e.g. 10s")
	flags.StringVar(&certificate, "certificate", "", "client certificate that stands for the key: spki:HEX, san:NAME or cn:NAME")
	flags.BoolVar(&asJSON, "json", false, "print the key and its secret as JSON")
	_ = cmd.MarkFlagRequired("name")
	return cmd
}
