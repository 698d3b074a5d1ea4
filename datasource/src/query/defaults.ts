import { CoreApp } from '@grafana/data';

import { Kind, KindQuery, MetricsQuery } from '../types';

type Fresh<T> = Omit<T, 'refId'>;

/** What a new panel starts with: something that is never empty where there is data. */
export function defaultMetricsQuery(app?: CoreApp): Fresh<MetricsQuery> {
  return {
    queryType: 'metrics',
    metrics: ['executions'],
    groupBy: [],
    filters: [],
    orderBy: '',
    descending: true,
    limit: 10,
    compare: '',
    timeZone: '',
    asOf: '',
    // An alert rule needs a figure that does not depend on how wide a panel is.
    ...(app === CoreApp.UnifiedAlerting ? { granularity: 'none', format: 'table' } : { granularity: 'auto', format: 'timeseries' }),
    alias: '',
    version: 2,
  };
}

/** What a question of another kind starts with: the server's own choices. */
export function defaultKindQuery({ kind, formats, uses }: Kind): Fresh<KindQuery> {
  return {
    queryType: kind,
    filters: [],
    limit: 0,
    timeZone: '',
    format: formats[0],
    asOf: '',
    params: {},
    ...(uses.includes('metrics') ? { metrics: ['executions'] } : {}),
    version: 2,
  };
}
