import {
  CoreApp,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceInstanceSettings,
  MetricFindValue,
  ScopedVars,
  TimeRange,
} from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv, TemplateSrv } from '@grafana/runtime';
import { map, merge, Observable, throwError } from 'rxjs';

import { AdHocFilter, withAdHocFilters } from './query/adhoc';
import { prepareAnnotation } from './query/annotations';
import { defaultMetricsQuery } from './query/defaults';
import { interpolateFilters, interpolateQuery } from './query/interpolate';
import { isLive, LiveRequest, liveRequest, watch } from './query/live';
import { withPeriod } from './query/links';
import { migrate } from './query/migrate';
import { replacers } from './query/templating';
import { resolveTimeZone } from './query/timeZone';
import { Catalogue, FlowgaugeOptions, FlowgaugeQuery, isText, Table, ValuesRequest } from './types';
import { FlowgaugeVariableSupport } from './variables/FlowgaugeVariableSupport';
import { toMetricFindValues, toVariableQuery } from './variables/query';

interface FindOptions {
  range?: TimeRange;
  scopedVars?: ScopedVars;
}

/** Not in the published type, yet on the object in every version. */
type WithAdHoc = TemplateSrv & { getAdhocFilters?: (datasource: string) => AdHocFilter[] };

export class DataSource extends DataSourceWithBackend<FlowgaugeQuery, FlowgaugeOptions> {
  /** Grafana's standard support, with the query editor in it. */
  annotations = { prepareAnnotation };

  private catalogue?: Promise<Catalogue>;

  constructor(
    settings: DataSourceInstanceSettings<FlowgaugeOptions>,
    private readonly templateSrv: TemplateSrv = getTemplateSrv()
  ) {
    super(settings);
    this.variables = new FlowgaugeVariableSupport(this);
  }

  getDefaultQuery(app: CoreApp): Partial<FlowgaugeQuery> {
    return defaultMetricsQuery(app);
  }

  filterQuery(query: FlowgaugeQuery): boolean {
    const q = migrate(query);
    const empty = isText(q) ? (q.expr ?? '').trim() === '' : q.metrics?.length === 0;
    return !q.hide && !empty && !this.waits(q);
  }

  /** A question about one workflow waits for its variable, which has no value while there are no workflows. */
  private waits({ queryType, filters }: FlowgaugeQuery): boolean {
    const { value } = replacers(this.templateSrv, {});
    const unset = (text: string) => {
      const got = value(text);
      return text !== '' && got.kind === 'values' && got.values.every((v) => v === '');
    };
    return queryType === 'bottlenecks' && filters.some((f) => f.dimension === 'workflow' && f.values.length > 0 && f.values.every(unset));
  }

  query(request: DataQueryRequest<FlowgaugeQuery>): Observable<DataQueryResponse> {
    const zone = resolveTimeZone(request.timezone);
    const targets = request.targets.map(migrate).map((q) => (q.timeZone === '' ? { ...q, timeZone: zone } : q));
    try {
      const [live, asked] = [targets.filter((q) => isLive(q, request)), targets.filter((q) => !isLive(q, request))];
      const streams = live.filter((q) => this.filterQuery(q)).map((q) => this.watch(q, request));
      const answers = asked.length > 0 || streams.length === 0 ? [super.query({ ...request, targets: asked })] : [];
      return merge(...answers.map((a) => a.pipe(map((answer) => withPeriod(answer, request.range)))), ...streams);
    } catch (err) {
      return throwError(() => err);
    }
  }

  private watch(query: FlowgaugeQuery, request: DataQueryRequest<FlowgaugeQuery>): Observable<DataQueryResponse> {
    const { refId, ...asked } = this.applyTemplateVariables(query, request.scopedVars);
    const wanted = liveRequest({ ...asked, refId: 'A' } as FlowgaugeQuery, request);
    return watch(this.uid, wanted, `${request.requestId}.${refId}`, (r: LiveRequest) => this.postResource('live', r));
  }

  applyTemplateVariables(query: FlowgaugeQuery, scopedVars: ScopedVars, filters?: AdHocFilter[]): FlowgaugeQuery {
    const adHoc = filters ?? (this.templateSrv as WithAdHoc).getAdhocFilters?.(this.name) ?? [];
    return withAdHocFilters(interpolateQuery(migrate(query), replacers(this.templateSrv, scopedVars)), adHoc);
  }

  interpolateVariablesInQueries(queries: FlowgaugeQuery[], scopedVars: ScopedVars): FlowgaugeQuery[] {
    return queries.map((q) => this.applyTemplateVariables(q, scopedVars));
  }

  async metricFindQuery(stored: unknown, options?: FindOptions): Promise<MetricFindValue[]> {
    const q = toVariableQuery(stored);
    const replace = (text: string) => this.templateSrv.replace(text, options?.scopedVars);
    const dimension = replace(q.dimension);
    if (dimension === '') {
      return [];
    }
    const { text, value } = replacers(this.templateSrv, options?.scopedVars ?? {});
    const filters = interpolateFilters(q.filters ?? [], text, value);
    const request = { dimension, search: q.search ? replace(q.search) : undefined, limit: q.limit, ...(filters.length > 0 && { filters }) };
    const values = await this.getValues(request, options?.range);
    // The last: the first one is what a variable without a choice starts with.
    return toMetricFindValues(q.none && !values.includes('') ? [...values, ''] : values);
  }

  async getTagKeys(): Promise<MetricFindValue[]> {
    const { dimensions } = await this.getCatalogue();
    // Grafana 10 keeps the text of a key, later ones keep its value.
    return dimensions.map((d) => ({ text: d.name, value: d.name }));
  }

  async getTagValues(options: { key: string; timeRange?: TimeRange }): Promise<MetricFindValue[]> {
    return toMetricFindValues(await this.getValues({ dimension: options.key }, options.timeRange));
  }

  /** The metrics and dimensions there are; asked for once, again after a failure. */
  getCatalogue(): Promise<Catalogue> {
    this.catalogue ??= this.getResource('catalogue').catch((err: unknown) => {
      this.catalogue = undefined;
      throw err;
    });
    return this.catalogue;
  }

  async promqlMetrics() {
    const { data }: { data: Record<string, Array<{ type: string; help: string }>> } = await this.getResource('prometheus/api/v1/metadata');
    return Object.entries(data).map(([name, [about]]) => ({ name, type: about.type, help: about.help }));
  }

  /** The tables that statements in SQL may read; none where SQL is off. */
  async getTables(): Promise<Table[]> {
    return (await this.getResource('tables')).tables;
  }

  async getValues({ filters, ...request }: ValuesRequest, range?: TimeRange): Promise<string[]> {
    const period = range ? { from: range.from.valueOf(), to: range.to.valueOf() } : {};
    const which = filters ? { filters: JSON.stringify(filters) } : {};
    const answer: { values: string[] } = await this.getResource('values', { ...period, ...request, ...which });
    return answer.values;
  }
}
