import type { DataSource } from '../../datasource';
import { Catalogue, FlowgaugeQuery, MetricsQuery } from '../../types';

/** What each row of the editor is given: a query, and what to do with a changed one. */
export interface RowProps<Q extends FlowgaugeQuery = FlowgaugeQuery> {
  query: Q;
  /** Keeps the query and runs it. */
  onChange: (query: Q) => void;
}

export interface CatalogueRowProps<Q extends FlowgaugeQuery = FlowgaugeQuery> extends RowProps<Q> {
  catalogue: Catalogue;
}

export interface FilterContext {
  datasource: DataSource;
  catalogue: Catalogue;
  metrics: MetricsQuery['metrics'];
}

export const labelWidth = 18;
