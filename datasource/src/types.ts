import { DataQuery, DataSourceJsonData } from '@grafana/data';

export type QueryKind = 'metrics' | 'errors';
export type Granularity = 'auto' | 'none' | 'minute' | '15m' | 'hour' | 'day' | 'week' | 'month';
export type Operator = 'in' | 'not_in';
export type Format = 'timeseries' | 'table';
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
  version: 1;
  filters: Filter[];
  /** Top N groups; 0 is the server's maximum. */
  limit: number;
  /** IANA name; empty is the dashboard's. */
  timeZone: string;
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
  format: Format;
  alias: string;
}

/** Groups of failures with the same message, ids and numbers apart. */
export interface ErrorsQuery extends BaseQuery {
  queryType: 'errors';
  format: 'table';
}

export type FlowgaugeQuery = MetricsQuery | ErrorsQuery;

/** What a dashboard may hold: written by hand, or by an older version. */
export type StoredQuery = DataQuery & { [K in keyof MetricsQuery]?: unknown };

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

export interface Catalogue {
  metrics: Metric[];
  dimensions: Dimension[];
}

export interface ValuesRequest {
  dimension: string;
  search?: string;
  from?: number;
  to?: number;
  limit?: number;
}

/** A variable's query. */
export interface VariableQuery extends DataQuery {
  dimension: string;
  search?: string;
  limit?: number;
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
}

export interface FlowgaugeSecureOptions {
  password?: string;
  /** The servers' key of pseudonyms. */
  pseudonymKey?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}
