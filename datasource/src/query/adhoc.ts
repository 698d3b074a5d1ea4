import { Filter, FlowgaugeQuery } from '../types';

/** One row of a dashboard's ad-hoc filters, as Grafana keeps it. */
export interface AdHocFilter {
  key: string;
  operator: string;
  value: string;
  values?: string[];
}

/** Annotations that are about all of the tenant, whatever a dashboard is filtered by. */
const unfiltered = ['budget_crossings', 'late_data'];

/** Adds the dashboard's ad-hoc filters to a query. */
export function withAdHocFilters(query: FlowgaugeQuery, adHoc: AdHocFilter[]): FlowgaugeQuery {
  if (query.queryType === 'annotations' && 'params' in query && unfiltered.includes(query.params.of)) {
    return query;
  }
  const added = adHoc.filter((f) => f.key !== '').map(toFilter);
  return added.length === 0 ? query : { ...query, filters: [...query.filters, ...added] };
}

function toFilter(f: AdHocFilter): Filter {
  const several = f.values && f.values.length > 0 ? f.values : [f.value];
  switch (f.operator) {
    case '=':
      return { dimension: f.key, operator: 'in', values: [f.value] };
    case '=|':
      return { dimension: f.key, operator: 'in', values: several };
    case '!=':
      return { dimension: f.key, operator: 'not_in', values: [f.value] };
    case '!=|':
      return { dimension: f.key, operator: 'not_in', values: several };
    default:
      // Leaving it out would show figures of more than was asked for.
      throw new Error(`The filter on "${f.key}" uses "${f.operator}"; use = or != (or their lists =| and !=|).`);
  }
}
