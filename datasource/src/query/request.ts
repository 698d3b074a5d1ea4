import { FlowgaugeQuery } from '../types';

/** What is sent to the backend, without Grafana's own fields; for people to read. */
export function generatedRequest(query: FlowgaugeQuery): string {
  const { refId: _refId, key: _key, hide: _hide, datasource: _datasource, ...request } = query;
  return JSON.stringify(request, null, 2);
}
