import { DataQueryRequest, DataQueryResponse, LiveChannelScope, LoadingState } from '@grafana/data';
import { getGrafanaLiveSrv, StreamingFrameAction } from '@grafana/runtime';
import { from, map, mergeMap, Observable } from 'rxjs';

import { FlowgaugeQuery } from '../types';

/** What a stream shows. The server makes its channel of it, and of who asks. */
export interface LiveRequest {
  query: FlowgaugeQuery;
  /** Milliseconds that the window has, up to now. */
  window: number;
  interval: number;
  maxDataPoints?: number;
}

/** A query is watched where its panel ends now: a look back does not change. */
export function isLive(query: FlowgaugeQuery, request: DataQueryRequest<FlowgaugeQuery>): boolean {
  return query.live === true && request.range.raw.to === 'now';
}

export function liveRequest(query: FlowgaugeQuery, request: DataQueryRequest<FlowgaugeQuery>): LiveRequest {
  // Whole seconds, so that viewers who open the same panel share a stream.
  const window = Math.round((request.range.to.valueOf() - request.range.from.valueOf()) / 1000) * 1000;
  return { query, window, interval: request.intervalMs, maxDataPoints: request.maxDataPoints };
}

/** Watches a query: each message is the whole answer. */
export function watch(
  uid: string,
  data: LiveRequest,
  key: string,
  channelOf: (request: LiveRequest) => Promise<{ path: string }>
): Observable<DataQueryResponse> {
  return from(channelOf(data)).pipe(
    mergeMap(({ path }) => {
      // Grafana 10 reads the datasource from namespace, Grafana 13 from stream.
      const addr = { scope: LiveChannelScope.DataSource, namespace: uid, stream: uid, path, data };
      return getGrafanaLiveSrv().getDataStream({
        addr,
        buffer: { action: StreamingFrameAction.Replace, maxLength: 5000 },
        key,
      });
    }),
    map((answer) => ({ ...answer, key, state: answer.state ?? LoadingState.Streaming }))
  );
}
