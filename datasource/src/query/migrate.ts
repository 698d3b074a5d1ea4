import { DataQuery } from '@grafana/data';

import { Compare, Filter, FlowgaugeQuery, Format, Granularity, isMetrics, Kind, KindQuery, MetricsQuery, StoredQuery } from '../types';
import { defaultKindQuery, defaultMetricsQuery } from './defaults';

const granularities: Granularity[] = ['auto', 'none', 'minute', '15m', 'hour', 'day', 'week', 'month'];
const comparisons: Compare[] = [
  '',
  'previous_period',
  'previous_day',
  'previous_week',
  'previous_month',
  'previous_year',
];
const formats: Format[] = ['timeseries', 'table', 'logs', 'trace', 'nodegraph', 'heatmap', 'annotations'];

/**
 * Brings what a dashboard holds to the current model. Missing fields get their
 * defaults and a value that is not one of its kind too, so that an editor never
 * opens on half a query. A current query comes back equal.
 */
export function migrate(stored: StoredQuery): FlowgaugeQuery {
  const kind = text(stored.queryType);
  return kind === '' || kind === 'metrics' ? toMetrics(stored) : toKind(stored, kind);
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
    asOf: text(stored.asOf),
    format: oneOf(['timeseries', 'table'], stored.format, base.format),
    alias: text(stored.alias),
    ...(stored.live === true && { live: true }),
    ...(stored.exemplar === true && { exemplar: true }),
  };
}

/** Of the first version there are error groups, of which nothing but filters, limit and time zone was read. */
function toKind(stored: StoredQuery, kind: string): KindQuery {
  const old = kind === 'errors' && stored.version === 1;
  const out: KindQuery = {
    ...common(stored),
    queryType: kind,
    filters: filters(stored.filters),
    limit: count(stored.limit, kind === 'errors' ? 50 : 0),
    timeZone: text(stored.timeZone),
    format: old ? 'table' : oneOf(formats, stored.format, 'table'),
    asOf: old ? '' : text(stored.asOf),
    params: old ? {} : params(stored.params),
    version: 2,
  };
  if (old) {
    return out;
  }
  if (stored.metrics !== undefined) {
    out.metrics = strings(stored.metrics);
  }
  if (stored.groupBy !== undefined) {
    out.groupBy = strings(stored.groupBy);
  }
  const granularity = granularities.find((g) => g === stored.granularity);
  if (granularity) {
    out.granularity = granularity;
  }
  const compare = comparisons.find((c) => c !== '' && c === stored.compare);
  if (compare) {
    out.compare = compare;
  }
  if (typeof stored.descending === 'boolean') {
    out.descending = stored.descending;
  }
  if (stored.expr !== undefined) {
    out.expr = text(stored.expr);
  }
  if (stored.alias !== undefined) {
    out.alias = text(stored.alias);
  }
  if (stored.fields !== undefined) {
    out.fields = strings(stored.fields);
  }
  return out;
}

/** Changes the kind: back to how a query of it was left, else with what both kinds have. */
export function withKind(query: FlowgaugeQuery, kind: Kind, left?: FlowgaugeQuery): FlowgaugeQuery {
  if (query.queryType === kind.kind) {
    return query;
  }
  if (left) {
    return inPlaceOf(query, left);
  }
  const kept = { ...common(query), timeZone: query.timeZone, ...(kind.uses.includes('filters') ? { filters: query.filters } : {}) };
  const asOf = kind.uses.includes('asOf') ? query.asOf : '';
  if (kind.kind === 'metrics') {
    return { ...defaultMetricsQuery(), ...kept, asOf, queryType: 'metrics' as const };
  }
  const metrics = kind.uses.includes('metrics') && isMetrics(query) ? { metrics: query.metrics, groupBy: query.groupBy } : {};
  return { ...defaultKindQuery(kind), ...metrics, ...kept, asOf };
}

function inPlaceOf<Q extends FlowgaugeQuery>(query: FlowgaugeQuery, left: Q): Q {
  return { ...left, hide: undefined, ...common(query) };
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

function params(value: unknown): Record<string, string> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(entries.filter(([, v]) => typeof v === 'string'));
}

export function filters(value: unknown): Filter[] {
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
