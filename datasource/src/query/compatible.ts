import { Catalogue, FlowgaugeQuery, Metric } from '../types';

/** The dimensions that a query uses, variables apart. */
export function dimensionsOf(query: FlowgaugeQuery): string[] {
  const groups = query.groupBy ?? [];
  const names = [...groups, ...query.filters.map((f) => f.dimension)];
  return [...new Set(names.filter((n) => n !== '' && !n.startsWith('$')))];
}

/** Which of the dimensions a metric does not have. */
export function missingDimensions(metric: Metric, dimensions: string[]): string[] {
  return dimensions.filter((d) => !metric.dimensions.includes(d));
}

/** The metrics of the query that do not go with a dimension. */
export function metricsWithout(catalogue: Catalogue, metrics: string[], dimension: string): Metric[] {
  return catalogue.metrics.filter((m) => metrics.includes(m.name) && !m.dimensions.includes(dimension));
}

export function dimensionTitle(catalogue: Catalogue, name: string): string {
  return catalogue.dimensions.find((d) => d.name === name)?.title ?? name;
}
