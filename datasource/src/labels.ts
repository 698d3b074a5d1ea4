/** The words of the editors. */
export const labels = {
  /** The empty value. */
  none: '(none)',
  config: {
    server: 'Server',
    host: {
      label: 'Host',
      placeholder: 'clickhouse.example.com',
      tooltip: 'Name or address of the ClickHouse server that Flowgauge writes to, without a scheme.',
    },
    port: {
      label: 'Port',
      placeholder: '9000',
      tooltip: 'Port of the native protocol: usually 9000, or 9440 with TLS. Not the HTTP port (8123, 8443).',
    },
    database: {
      label: 'Database',
      placeholder: 'flowgauge',
      tooltip: 'The database that holds Flowgauge’s tables.',
    },
    credentials: 'Credentials',
    username: {
      label: 'User',
      placeholder: 'flowgauge_reader',
      tooltip: 'A ClickHouse user that may select from the database, insert into audit_log, and nothing else.',
    },
    password: { label: 'Password', placeholder: 'Password', tooltip: 'Kept encrypted; it never comes back here.' },
    tls: 'TLS',
    secure: { label: 'Use TLS', tooltip: 'Encrypt the connection. The server listens for it on a port of its own.' },
    tlsSkipVerify: {
      label: 'Skip verification',
      tooltip: 'Accept any certificate. Whoever sits between Grafana and the server can then read everything.',
    },
    serverName: {
      label: 'Server name',
      placeholder: 'Same as the host',
      tooltip: 'The name in the server’s certificate, where it is not the host.',
    },
    tlsAuthWithCACert: {
      label: 'Own CA',
      tooltip: 'The server’s certificate is signed by an authority that this machine does not know.',
    },
    tlsCACert: { label: 'CA certificate', placeholder: '-----BEGIN CERTIFICATE-----', tooltip: 'PEM.' },
    tlsAuth: { label: 'Client certificate', tooltip: 'The server asks clients for a certificate.' },
    tlsClientCert: { label: 'Certificate', placeholder: '-----BEGIN CERTIFICATE-----', tooltip: 'PEM.' },
    tlsClientKey: { label: 'Key', placeholder: '-----BEGIN PRIVATE KEY-----', tooltip: 'PEM, not encrypted.' },
    data: 'Data',
    tenant: {
      label: 'Tenant',
      placeholder: 'default',
      tooltip: 'Whose data this datasource shows. Every query is confined to it.',
    },
    timeout: { label: 'Timeout', placeholder: '30', tooltip: 'Seconds that one query may take.' },
    dashboardLinks: {
      label: 'Link to dashboards',
      tooltip:
        'Workflows, steps, users and the like lead to Flowgauge’s dashboards. Switch it on where this Grafana has them: provisioned, or imported from the page of the plugin.',
    },
    maxConns: {
      label: 'Connections',
      placeholder: '8',
      tooltip: 'How many queries of this datasource run at once; further ones wait.',
    },
    sql: 'SQL',
    sqlUsername: {
      label: 'User for SQL',
      placeholder: 'Nobody: SQL is off',
      tooltip:
        'The ClickHouse user as whom people’s own statements run. Its rights are all that confines them: it must be read-only and see the rows of this tenant alone. ‘flowgauge sql-user’ makes one.',
    },
    sqlPassword: { label: 'Password for SQL', placeholder: 'Password', tooltip: 'Of that user.' },
    plugins: 'Plugins',
    serverUrl: {
      label: 'Flowgauge’s server',
      placeholder: 'None: no plugins are asked',
      tooltip:
        'A Flowgauge server that runs plugins with kinds of query of their own, e.g. https://flowgauge.example.com. It is told what an answer is made of, as whoever looks may see it.',
    },
    serverKey: {
      label: 'Key of the server',
      placeholder: 'fg_…',
      tooltip: 'An API key with the scope read. It needs no right to data: make it a viewer’s who is nobody.',
    },
    access: 'Access',
    userId: { label: 'User’s id', tooltip: 'Which of what Grafana knows of people is their id in events.' },
    userIds: { login: 'Login', email: 'Email' },
    identityKeysUrl: {
      label: 'Grafana’s signing keys',
      placeholder: 'No proof is wanted',
      tooltip:
        'Where the keys are by which Grafana proves for whom it asks, e.g. http://localhost:3000/api/signing-keys/keys. It needs a Grafana with idForwarding; whoever comes without a proof is refused.',
    },
    scopes: {
      all: 'Everything of the tenant',
      directory: 'As the directory of users says',
      own: 'What they did themselves',
      none: 'Nothing',
    },
    alertScopes: { all: 'Everything of the tenant', none: 'Nothing' },
    adminScope: { label: 'Administrators see', tooltip: 'People with Grafana’s role Admin.' },
    editorScope: { label: 'Editors see', tooltip: 'People with Grafana’s role Editor.' },
    viewerScope: { label: 'Viewers see', tooltip: 'People with Grafana’s role Viewer, or with none.' },
    alertScope: { label: 'Alert rules see', tooltip: 'Alert rules, reports and recorded queries, which are nobody’s.' },
    pseudonymKey: {
      label: 'Pseudonym key',
      placeholder: 'As in privacy.key_file',
      tooltip:
        'What the servers’ privacy.key_file holds. Where the tenant’s access policy wants pseudonyms, nothing is shown without it.',
    },
    auditRequired: {
      label: 'Require audit records',
      tooltip: 'Withhold answers of which no audit record can be stored. Otherwise such readings are counted.',
    },
  },
  query: {
    kind: {
      label: 'Query',
      tooltip: 'The kind of question.',
      ofPlugin: (description: string, plugin: string) => `${description} From the plugin ${plugin}.`,
    },
    format: {
      label: 'Format',
      options: {
        timeseries: 'Time series',
        heatmap: 'Heatmap',
        annotations: 'Annotations',
        table: 'Table',
        logs: 'Logs',
        trace: 'Trace',
        nodegraph: 'Node graph',
      },
    },
    params: { required: 'Needed', example: (value: string) => `Such as ${value}` },
    text: {
      promql: {
        label: 'PromQL',
        tooltip:
          'A query in Prometheus’ language. Ctrl+Space completes. $__rate_interval is a window that always has enough samples; a step is never below a minute.',
      },
      sql: {
        label: 'SQL',
        tooltip:
          'A statement for ClickHouse. Ctrl+Space completes. Macros such as $__timeFilter(time) stand for the panel’s period; $variables become quoted texts.',
      },
    },
    asOf: {
      label: 'As of',
      placeholder: 'Now',
      tooltip:
        'How the data stood at that moment, from what had been received before it: a time as RFC 3339, a date or a $variable. Needs the history of versions (history.days).',
    },
    metrics: { label: 'Metrics', placeholder: 'Choose metrics', tooltip: 'What to show, by area.' },
    groupBy: {
      label: 'Group by',
      placeholder: 'All together',
      tooltip: 'One series or row for each value of these dimensions.',
    },
    limit: { label: 'Top', tooltip: 'How many groups to show, by the whole period. 0 is as many as the server gives.' },
    orderBy: { label: 'by', first: 'First metric', tooltip: 'The metric that decides which groups are the top ones.' },
    direction: {
      label: 'Order',
      descending: 'Highest first',
      ascending: 'Lowest first',
      usual: 'Usual',
      reversed: 'Reversed',
    },
    filters: {
      label: 'Filter',
      and: 'and',
      add: 'Add filter',
      remove: 'Remove filter',
      dimension: 'Dimension',
      values: 'Values or $variables',
      none: 'No values in this period',
      operators: { in: 'is one of', not_in: 'is none of' },
      tooltip: 'A variable that is set to “All” filters nothing.',
    },
    granularity: {
      label: 'Granularity',
      tooltip: 'Width of a time bucket. Auto follows the period and the width of the panel.',
      usual: 'As usual',
      options: {
        auto: 'Auto',
        none: 'Whole period',
        minute: 'Minute',
        '15m': '15 minutes',
        hour: 'Hour',
        day: 'Day',
        week: 'Week',
        month: 'Month',
      },
    },
    live: {
      label: 'Live',
      tooltip: 'Follows the figures every second while the panel’s period ends now, for at most 24 hours.',
    },
    exemplar: {
      label: 'Exemplars',
      tooltip:
        'Shows the slowest execution of each interval as a point that leads to its steps, 100 at most. They are read from the events, which takes longer than the figures.',
    },
    compare: {
      label: 'Compare with',
      tooltip: 'Puts an earlier period beside this one, moved onto it.',
      options: {
        '': 'Nothing',
        previous_period: 'Previous period',
        previous_day: 'Previous day',
        previous_week: 'Previous week',
        previous_month: 'Previous month',
        previous_year: 'Previous year',
      },
    },
    timeZone: { label: 'Time zone', dashboard: 'Dashboard’s', tooltip: 'Where days, weeks and months begin.' },
    alias: {
      label: 'Alias',
      placeholder: '{{workflow}}: {{metric}}',
      tooltip: 'Name of a series. {{metric}} and {{dimension}} stand for the series’ own; empty is automatic.',
    },
    request: 'Generated request',
    catalogueError: 'The list of metrics could not be loaded',
    notWith: (titles: string[]) => `Not available with ${titles.join(', ')}.`,
    notFor: (titles: string[]) => `Not available for ${titles.join(', ')}.`,
  },
  variable: {
    dimension: { label: 'Dimension', placeholder: 'Choose', tooltip: 'The variable lists the values of this dimension.' },
    search: { label: 'Containing', placeholder: 'Any text', tooltip: 'Only values that contain this text.' },
    limit: { label: 'At most', placeholder: '1000', tooltip: 'How many values to list.' },
    none: { label: 'With (none)', tooltip: 'Also list (none): what has no value in this dimension.' },
  },
};
