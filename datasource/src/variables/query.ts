import { MetricFindValue } from '@grafana/data';

import { labels } from '../labels';
import { filters } from '../query/migrate';
import { valueOption } from '../query/none';
import { VariableQuery } from '../types';

export const variableRefId = 'FlowgaugeVariable';

/**
 * A variable's query in any of its forms: an object, the name of a dimension
 * alone, or that name as Grafana wraps it ({query: "workflow"}).
 */
export function toVariableQuery(stored: unknown): VariableQuery {
  if (typeof stored === 'string') {
    return { refId: variableRefId, dimension: stored.trim() };
  }
  if (typeof stored !== 'object' || stored === null) {
    return { refId: variableRefId, dimension: '' };
  }
  const q = stored as { refId?: unknown; dimension?: unknown; query?: unknown; search?: unknown; limit?: unknown; filters?: unknown; none?: unknown };
  const by = filters(q.filters);
  const dimension = typeof q.dimension === 'string' ? q.dimension : typeof q.query === 'string' ? q.query.trim() : '';
  return {
    refId: typeof q.refId === 'string' && q.refId !== '' ? q.refId : variableRefId,
    dimension,
    ...(typeof q.search === 'string' && q.search !== '' ? { search: q.search } : {}),
    ...(typeof q.limit === 'number' && q.limit > 0 ? { limit: q.limit } : {}),
    ...(by.length > 0 ? { filters: by } : {}),
    ...(q.none === true ? { none: true } : {}),
  };
}

/** What the variable's row says in the dashboard's settings. */
export function describeVariableQuery(q: VariableQuery): string {
  const by = (q.filters ?? []).filter((f) => f.values.length > 0);
  const filtered = by.map((f) => ` [${f.dimension} ${labels.query.filters.operators[f.operator]} ${f.values.join(', ')}]`).join('');
  return `${q.dimension}${filtered}${q.search ? `: ${q.search}` : ''}`;
}

export function toMetricFindValues(values: string[]): MetricFindValue[] {
  return values.map(valueOption).map(({ label, value }) => ({ text: label, value }));
}
