import { DataQuery } from '@grafana/data';

import { Compare, ErrorsQuery, Filter, FlowgaugeQuery, Format, Granularity, MetricsQuery, StoredQuery } from '../types';
import { defaultErrorsQuery, defaultMetricsQuery } from './defaults';

const granularities: Granularity[] = ['auto', 'none', 'minute', '15m', 'hour', 'day', 'week', 'month'];
const comparisons: Compare[] = [
  '',
  'previous_period',
  'previous_day',
  'previous_week',
  'previous_month',
  'previous_year',
];
const formats: Format[] = ['timeseries', 'table'];

/**
 * Brings what a dashboard holds to the current model. Missing fields get their
 * defaults and a value that is not one of its kind too, so that an editor never
 * opens on half a query. A current query comes back equal.
 */
export function migrate(stored: StoredQuery): FlowgaugeQuery {
  return stored.queryType === 'errors' ? toErrors(stored) : toMetrics(stored);
}

function toMetrics(stored: StoredQuery): MetricsQuery {
  const base = defaultMetricsQuery();
  return {
    ...common(stored),
    ...base,
    // No list at all is a query not begun; an empty one was emptied on purpose.
    metrics: stored.metrics === undefined ? base.metrics : strings(stored.metrics),
    granularity: oneOf(granularities, stored.granularity, base.granularity),
    groupBy: strings(stored.groupBy),
    filters: filters(stored.filters),
    orderBy: text(stored.orderBy),
    descending: typeof stored.descending === 'boolean' ? stored.descending : base.descending,
    limit: count(stored.limit, base.limit),
    compare: oneOf(comparisons, stored.compare, base.compare),
    timeZone: text(stored.timeZone),
    format: oneOf(formats, stored.format, base.format),
    alias: text(stored.alias),
  };
}

function toErrors(stored: StoredQuery): ErrorsQuery {
  const base = defaultErrorsQuery();
  return {
    ...common(stored),
    ...base,
    filters: filters(stored.filters),
    limit: count(stored.limit, base.limit),
    timeZone: text(stored.timeZone),
  };
}

/** Changes the kind and keeps what both kinds have. */
export function withKind(query: FlowgaugeQuery, kind: FlowgaugeQuery['queryType']): FlowgaugeQuery {
  if (query.queryType === kind) {
    return query;
  }
  return migrate({ ...common(query), queryType: kind, filters: query.filters, timeZone: query.timeZone });
}

// Grafana's own fields; all others are the model's.
function common({ refId, hide, key, datasource }: DataQuery): DataQuery {
  const out: DataQuery = { refId };
  if (hide !== undefined) {
    out.hide = hide;
  }
  if (key !== undefined) {
    out.key = key;
  }
  if (datasource !== undefined) {
    out.datasource = datasource;
  }
  return out;
}

function strings(value: unknown): string[] {
  if (typeof value === 'string' && value !== '') {
    return [value];
  }
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function count(value: unknown, fallback: number): number {
  const n = typeof value === 'string' ? Number(value) : value;
  return typeof n === 'number' && Number.isInteger(n) && n >= 0 ? n : fallback;
}

function oneOf<T extends string>(allowed: T[], value: unknown, fallback: T): T {
  return allowed.find((a) => a === value) ?? fallback;
}

function filters(value: unknown): Filter[] {
  if (!Array.isArray(value)) {
    return [];
  }
  return value
    .filter((f): f is Record<string, unknown> => typeof f === 'object' && f !== null)
    .map((f) => ({
      dimension: text(f.dimension),
      operator: f.operator === 'not_in' ? 'not_in' : 'in',
      values: strings(f.values),
    }));
}
