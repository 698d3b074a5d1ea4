import { ScopedVars } from '@grafana/data';
import { TemplateSrv } from '@grafana/runtime';

import { Catalogue, Kind, MetricsQuery } from '../src/types';

export const kinds: Record<'metrics' | 'errors' | 'waterfall' | 'restatements' | 'sessions' | 'slo' | 'promql' | 'sql', Kind> = {
  sql: kind('sql', 'SQL', [], ['timeseries', 'table']),
  promql: kind('promql', 'PromQL', [], ['timeseries', 'table', 'heatmap']),
  metrics: kind('metrics', 'Metrics', ['metrics', 'granularity', 'groupBy', 'filters', 'limit', 'compare', 'asOf'], ['timeseries', 'table']),
  errors: kind('errors', 'Error groups', ['filters', 'limit', 'compare', 'granularity', 'asOf'], ['table', 'logs']),
  waterfall: {
    ...kind('waterfall', 'Waterfall of one execution', ['limit', 'asOf'], ['table', 'trace']),
    params: [{ name: 'execution', description: 'The id of the execution.', required: true, example: 'exec-42' }],
  },
  restatements: {
    ...kind('restatements', 'Restatements', ['metrics', 'granularity', 'groupBy', 'filters', 'limit', 'asOf'], ['table']),
    params: [
      { name: 'since', description: 'The earlier moment.', required: true },
      { name: 'show', description: 'Which rows.', required: false, default: 'changes', allowed: ['changes', 'all'] },
    ],
  },
  slo: {
    ...kind('acme-slo.slo', 'Error budgets', ['granularity'], ['table']),
    plugin: 'acme-slo',
    params: [
      { name: 'target_percent', description: 'How many should not fail.', required: false, default: '99' },
      { name: 'of', description: 'Of what.', required: true, allowed: ['executions', 'steps'] },
    ],
  },
  sessions: {
    ...kind('sessions', 'Sessions', ['filters', 'limit', 'ascending', 'asOf'], ['table', 'logs']),
    params: [{ name: 'user', description: 'Whose.', required: false }],
  },
};

export const catalogue: Catalogue = {
  unlisted: ['execution'],
  exemplars: ['duration_p95'],
  macros: [
    { name: '$__timeFilter', args: 'column', description: 'Within the period.' },
    { name: '$__interval', args: '', description: 'The interval.' },
  ],
  kinds: Object.values(kinds),
  metrics: [
    metric('executions', 'Executions', 'Executions', ['workflow', 'user', 'error_type']),
    metric('success_rate', 'Success rate', 'Executions', ['workflow', 'user', 'error_type']),
    metric('duration_p95', 'p95 duration', 'Executions', ['workflow', 'user', 'error_type']),
    metric('step_duration_p95', 'Step duration', 'Steps', ['workflow', 'step']),
  ],
  dimensions: [
    { name: 'workflow', title: 'Workflow', description: 'The workflow’s id.' },
    { name: 'user', title: 'User', description: 'Who ran it.' },
    { name: 'error_type', title: 'Error type', description: 'What failed.' },
    { name: 'step', title: 'Step', description: 'The step’s id.' },
  ],
};

function kind(name: string, title: string, uses: string[], formats: Kind['formats']): Kind {
  return { kind: name, title, description: `About ${title}.`, uses, params: [], formats };
}

function metric(name: string, title: string, area: string, dimensions: string[]) {
  return { name, title, area, dimensions, description: `About ${title}.`, unit: 'short', exact: false };
}

export function metricsQuery(change: Partial<MetricsQuery> = {}): MetricsQuery {
  return {
    refId: 'A',
    queryType: 'metrics',
    metrics: ['executions'],
    granularity: 'auto',
    groupBy: [],
    filters: [],
    orderBy: '',
    descending: true,
    limit: 10,
    compare: '',
    timeZone: '',
    format: 'timeseries',
    alias: '',
    asOf: '',
    version: 2,
    ...change,
  };
}

type Value = string | string[];
interface Variable {
  name: string;
  current: { value: Value };
  allValue?: string;
}

/** Grafana's template service as far as the plugin uses it, its ways with "All" included. */
export function templateSrv(variables: Record<string, Value>, options: string[] = [], allValue?: string): TemplateSrv {
  const list: Variable[] = Object.entries(variables).map(([name, value]) => ({ name, current: { value }, allValue }));
  const lookup = (name: string, scoped?: ScopedVars): unknown => {
    if (scoped?.[name]) {
      return scoped[name]?.value;
    }
    const v = list.find((l) => l.name === name);
    const all = v && (v.current.value === '$__all' || v.current.value.includes('$__all'));
    return all ? allValue ?? options : v?.current.value;
  };
  return {
    getVariables: () => list,
    containsTemplate: () => true,
    updateTimeRange: () => undefined,
    replace: (text = '', scoped?: ScopedVars, format?: unknown) =>
      text.replace(/\$(\w+)|\$\{(\w+)(?::\w+)?\}/g, (match: string, a?: string, b?: string) => {
        const value = lookup(a ?? b ?? '', scoped);
        if (value === undefined) {
          return match;
        }
        if (typeof format === 'function') {
          return (format as (v: unknown, variable: unknown) => string)(value, { name: a ?? b, multi: Array.isArray(value) });
        }
        return Array.isArray(value) ? `{${value.join(',')}}` : String(value);
      }),
  } as unknown as TemplateSrv;
}
