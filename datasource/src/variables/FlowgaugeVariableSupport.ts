import {
  CustomVariableSupport,
  DataQueryRequest,
  DataQueryResponse,
  FieldType,
  LoadingState,
  MetricFindValue,
  toDataFrame,
} from '@grafana/data';
import { from, map, Observable } from 'rxjs';

import { VariableQueryEditor } from '../components/variable/VariableQueryEditor';
import type { DataSource } from '../datasource';
import { VariableQuery } from '../types';

/** Lists the values of a dimension within the dashboard's period. */
export class FlowgaugeVariableSupport extends CustomVariableSupport<DataSource, VariableQuery> {
  editor = VariableQueryEditor;

  constructor(private readonly datasource: DataSource) {
    super();
    // Grafana 10 calls it without its object.
    this.query = this.query.bind(this);
  }

  query(request: DataQueryRequest<VariableQuery>): Observable<DataQueryResponse> {
    const { range, scopedVars } = request;
    return from(this.datasource.metricFindQuery(request.targets[0], { range, scopedVars })).pipe(map(toResponse));
  }
}

function toResponse(values: MetricFindValue[]): DataQueryResponse {
  // Without a type Grafana guesses it, and takes "10", "" or nothing at all for something else.
  const fields = [
    { name: 'text', type: FieldType.string, values: values.map((v) => v.text) },
    { name: 'value', type: FieldType.string, values: values.map((v) => v.value) },
  ];
  return { state: LoadingState.Done, data: [toDataFrame({ fields })] };
}
