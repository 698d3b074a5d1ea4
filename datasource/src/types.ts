import { DataQuery, DataSourceJsonData } from '@grafana/data';

export type Granularity = 'auto' | 'none' | 'minute' | '15m' | 'hour' | 'day' | 'week' | 'month';
export type Operator = 'in' | 'not_in';
/** How an answer is shaped for a panel; which there are depends on the kind. */
export type Format = 'timeseries' | 'table' | 'logs' | 'trace' | 'nodegraph' | 'heatmap' | 'annotations';
export type Compare =
  | ''
  | 'previous_period'
  | 'previous_day'
  | 'previous_week'
  | 'previous_month'
  | 'previous_year';

export interface Filter {
  dimension: string;
  operator: Operator;
  values: string[];
}

interface BaseQuery extends DataQuery {
  /** The model's version: migrations bring older ones up to it. */
  version: 2;
  filters: Filter[];
  /** Top N groups or rows; 0 is the server's own. */
  limit: number;
  /** IANA name; empty is the dashboard's. */
  timeZone: string;
  format: Format;
  /** How the data stood at this moment: RFC 3339, a date, ms or a $variable; empty is now. */
  asOf: string;
}

export interface MetricsQuery extends BaseQuery {
  queryType: 'metrics';
  metrics: string[];
  granularity: Granularity;
  groupBy: string[];
  /** A metric of the query; empty is its first. */
  orderBy: string;
  descending: boolean;
  compare: Compare;
  alias: string;
  /** Asked anew each second while the panel ends now. */
  live?: boolean;
  /** Single executions beside series of durations. */
  exemplar?: boolean;
}

/** Any other kind of question. The catalogue says which members and parameters it takes. */
export interface KindQuery extends BaseQuery {
  queryType: string;
  params: Record<string, string>;
  metrics?: string[];
  groupBy?: string[];
  granularity?: Granularity;
  compare?: Compare;
  descending?: boolean;
  /** The text of a query in a language. */
  expr?: string;
  alias?: string;
  /** The columns of a table; none is all of them. */
  fields?: string[];
  live?: undefined;
}

export type FlowgaugeQuery = MetricsQuery | KindQuery;

/** What a dashboard may hold: written by hand, or by an older version. */
export type StoredQuery = DataQuery & { [K in keyof (MetricsQuery & KindQuery)]?: unknown };

export interface Metric {
  name: string;
  title: string;
  description: string;
  unit: string;
  area: string;
  exact: boolean;
  dimensions: string[];
}

export interface Dimension {
  name: string;
  title: string;
  description: string;
}

/** A member of a question's params. */
export interface Param {
  name: string;
  description: string;
  required: boolean;
  default?: string;
  allowed?: string[];
  example?: string;
}

/** A kind of question: what it takes, and the shapes of its answer. */
export interface Kind {
  kind: string;
  title: string;
  description: string;
  uses: string[];
  params: Param[];
  formats: Format[];
  /** The id of the plugin that answers it; absent where Flowgauge does. */
  plugin?: string;
}

export interface Catalogue {
  metrics: Metric[];
  dimensions: Dimension[];
  kinds: Kind[];
  macros: Macro[];
  /** Dimensions whose values are too many to be listed. */
  unlisted: string[];
  /** Metrics beside which single executions can be shown. */
  exemplars: string[];
}

/** While it is not loaded, or cannot be: names can be typed. */
export const noCatalogue: Catalogue = { metrics: [], dimensions: [], kinds: [], macros: [], unlisted: [], exemplars: [] };

/** What stands in a statement for a part that depends on the panel. */
export interface Macro {
  name: string;
  /** Empty for a macro without parentheses. */
  args: string;
  description: string;
}

/** What a statement may read. */
export interface Table {
  name: string;
  columns: Array<{ name: string; type: string }>;
}

export const isMetrics = (query: FlowgaugeQuery): query is MetricsQuery => query.queryType === 'metrics';

export type Language = 'promql' | 'sql';

/** A query that is a text in a language. */
export type TextQuery = KindQuery & { queryType: Language };

export const isText = (query: FlowgaugeQuery): query is TextQuery =>
  query.queryType === 'promql' || query.queryType === 'sql';

export interface ValuesRequest {
  dimension: string;
  search?: string;
  from?: number;
  to?: number;
  limit?: number;
  filters?: Filter[];
}

/** A variable's query. */
export interface VariableQuery extends DataQuery {
  dimension: string;
  search?: string;
  limit?: number;
  /** What the variable's row says: Grafana 10 looks for it here. */
  query?: string;
  /** By other dimensions: the steps of the chosen workflow. */
  filters?: Filter[];
  /** Also list "(none)", the empty value. */
  none?: boolean;
}

export interface FlowgaugeOptions extends DataSourceJsonData {
  host?: string;
  port?: number;
  secure?: boolean;
  tlsSkipVerify?: boolean;
  tlsAuth?: boolean;
  tlsAuthWithCACert?: boolean;
  serverName?: string;
  database?: string;
  username?: string;
  tenant?: string;
  /** Seconds a query may take. */
  timeout?: number;
  /** Connections the plugin keeps at most. */
  maxConns?: number;
  /** No answer without an audit record of it. */
  auditRequired?: boolean;
  /** Which of what Grafana knows of a user is their id in events. */
  userId?: UserId;
  /** Where Grafana's signing keys are; empty wants no proof of who asks. */
  identityKeysUrl?: string;
  /** What people see of the tenant, by their role in Grafana. */
  adminScope?: Scope;
  editorScope?: Scope;
  viewerScope?: Scope;
  alertScope?: Scope;
  /** Who runs statements in SQL; empty allows none. */
  sqlUsername?: string;
  /** A Flowgauge server that runs plugins; empty asks none. */
  serverUrl?: string;
  /** This Grafana has Flowgauge's dashboards, so that values may lead there. */
  dashboardLinks?: boolean;
}

export type UserId = 'login' | 'email';
export type Scope = 'all' | 'directory' | 'own' | 'none';

export interface FlowgaugeSecureOptions {
  password?: string;
  sqlPassword?: string;
  /** A key of the server that runs plugins. */
  serverKey?: string;
  /** The servers' key of pseudonyms. */
  pseudonymKey?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}
