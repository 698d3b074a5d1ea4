import { CoreApp } from '@grafana/data';

import { ErrorsQuery, MetricsQuery } from '../types';

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
    // An alert rule needs a figure that does not depend on how wide a panel is.
    ...(app === CoreApp.UnifiedAlerting ? { granularity: 'none', format: 'table' } : { granularity: 'auto', format: 'timeseries' }),
    alias: '',
    version: 1,
  };
}

export function defaultErrorsQuery(): Fresh<ErrorsQuery> {
  return { queryType: 'errors', filters: [], limit: 50, timeZone: '', format: 'table', version: 1 };
}
