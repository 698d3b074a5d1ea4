import {
  DataQueryRequest,
  DataSourceInstanceSettings,
  dateTime,
  FieldType,
  guessFieldTypes,
  LoadingState,
  toDataFrame,
} from '@grafana/data';
import { DataSourceWithBackend, setGrafanaLiveSrv } from '@grafana/runtime';
import { lastValueFrom, of, toArray } from 'rxjs';

import { DataSource } from '../src/datasource';
import { FlowgaugeOptions, FlowgaugeQuery, VariableQuery } from '../src/types';
import { FlowgaugeVariableSupport } from '../src/variables/FlowgaugeVariableSupport';
import { catalogue, metricsQuery, templateSrv } from './fixtures';

const range = { from: dateTime(1000), to: dateTime(2000), raw: { from: 'now-1h', to: 'now' } };

function open(srv = templateSrv({})) {
  const ds = new DataSource({ id: 1, uid: 'u', name: 'F', jsonData: {} } as DataSourceInstanceSettings<FlowgaugeOptions>, srv);
  const getResource = jest.spyOn(ds, 'getResource').mockResolvedValue({ values: ['a', 'b'] });
  return { ds, getResource };
}

function request(targets: Array<Partial<FlowgaugeQuery>>, timezone: string) {
  return { targets, timezone, range } as unknown as DataQueryRequest<FlowgaugeQuery>;
}

it('sends the dashboard’s time zone unless the query has its own', async () => {
  const sent = jest
    .spyOn(DataSourceWithBackend.prototype, 'query')
    .mockReturnValue(of({ data: [], state: LoadingState.Done }));
  const { ds } = open();
  await lastValueFrom(ds.query(request([metricsQuery(), metricsQuery({ timeZone: 'Asia/Tokyo' })], 'utc')));
  expect(sent.mock.calls[0][0].targets.map((t) => (t as FlowgaugeQuery).timeZone)).toEqual(['UTC', 'Asia/Tokyo']);
  sent.mockRestore();
});

it('turns a filter that cannot be done into the query’s error', async () => {
  const sent = jest.spyOn(DataSourceWithBackend.prototype, 'query').mockImplementation(() => {
    throw new Error('no regular expressions');
  });
  const { ds } = open();
  await expect(lastValueFrom(ds.query(request([metricsQuery()], 'utc')))).rejects.toThrow('no regular expressions');
  sent.mockRestore();
});

it('adds the dashboard’s ad-hoc filters', () => {
  const srv = Object.assign(templateSrv({}), { getAdhocFilters: () => [{ key: 'user', operator: '=', value: 'a' }] });
  const filters = [{ dimension: 'user', operator: 'in', values: ['a'] }];
  const given = [{ key: 'step', operator: '!=', value: 's' }];
  const { ds } = open(srv);
  expect(ds.applyTemplateVariables(metricsQuery(), {}).filters).toEqual(filters);
  // Newer versions of Grafana pass them.
  expect(ds.applyTemplateVariables(metricsQuery(), {}, given).filters).toEqual([
    { dimension: 'step', operator: 'not_in', values: ['s'] },
  ]);
});

it('does not run a query without metrics, nor a hidden one', () => {
  const { ds } = open();
  expect(ds.filterQuery(metricsQuery())).toBe(true);
  expect(ds.filterQuery(metricsQuery({ metrics: [] }))).toBe(false);
  expect(ds.filterQuery(metricsQuery({ hide: true }))).toBe(false);
  expect(ds.filterQuery({ refId: 'A', queryType: 'errors' } as FlowgaugeQuery)).toBe(true);
  expect(ds.filterQuery({ refId: 'A', queryType: 'promql', expr: ' ' } as FlowgaugeQuery)).toBe(false);
  expect(ds.filterQuery({ refId: 'A', queryType: 'promql', expr: 'up' } as FlowgaugeQuery)).toBe(true);
});

it('does not ask about one workflow while its variable has no value', () => {
  const { ds } = open(templateSrv({ workflow: '', step: '', chosen: 'a' }));
  const about = (...values: string[]) =>
    ({ refId: 'A', queryType: 'bottlenecks', filters: [{ dimension: 'workflow', operator: 'in', values }] }) as unknown as FlowgaugeQuery;
  expect(ds.filterQuery(about('${workflow}'))).toBe(false);
  expect(ds.filterQuery(about('${chosen}'))).toBe(true);
  expect(ds.filterQuery(about('billing'))).toBe(true);
  expect(ds.filterQuery(about())).toBe(true); // the answer says what is missing
  expect(ds.filterQuery({ ...about('${workflow}'), queryType: 'errors' } as FlowgaugeQuery)).toBe(true);
});

it.each(['workflow', { dimension: 'workflow' }, { query: 'workflow', refId: 'V' }])(
  'lists a variable’s values for %j',
  async (query) => {
    const { ds, getResource } = open();
    // Unbound, as Grafana 10 calls it.
    const run = (ds.variables as FlowgaugeVariableSupport).query;
    const answer = await lastValueFrom(
      run({ targets: [query], range } as unknown as DataQueryRequest<VariableQuery>)
    );
    expect(getResource).toHaveBeenCalledWith('values', expect.objectContaining({ dimension: 'workflow', from: 1000, to: 2000 }));
    expect(answer.data[0].fields[0]).toMatchObject({ name: 'text' });
    expect([...answer.data[0].fields[0].values]).toEqual(['a', 'b']);
  }
);

it.each([
  [['10', '9'], ['10', '9'], ['10', '9']],
  [['', 'a'], ['(none)', 'a'], ['$__none', 'a']],
  [['2026-01-01'], ['2026-01-01'], ['2026-01-01']],
  [[], [], []],
])('lists %j as text, whatever it looks like', async (values, texts, want) => {
  const { ds, getResource } = open();
  getResource.mockResolvedValue({ values });
  const { query } = ds.variables as FlowgaugeVariableSupport;
  const answer = await lastValueFrom(query({ targets: ['version'], range } as unknown as DataQueryRequest<VariableQuery>));
  // What Grafana does with a frame before it reads options from it.
  const frame = guessFieldTypes(toDataFrame(answer.data[0]));
  expect(frame.fields.map((f) => [f.name, f.type])).toEqual([
    ['text', FieldType.string],
    ['value', FieldType.string],
  ]);
  expect(frame.length).toBe(want.length);
  expect(frame.fields.map((f) => [...f.values])).toEqual([texts, want]);
});

it('lists the empty value last where it was asked for', async () => {
  const { ds, getResource } = open();
  const none = { text: '(none)', value: '$__none' };
  const values = [
    { text: 'a', value: 'a' },
    { text: 'b', value: 'b' },
  ];
  await expect(ds.metricFindQuery({ dimension: 'user', none: true })).resolves.toEqual([...values, none]);
  await expect(ds.metricFindQuery({ dimension: 'user' })).resolves.toEqual(values);
  getResource.mockResolvedValue({ values: ['', 'a'] });
  await expect(ds.metricFindQuery({ dimension: 'user', none: true })).resolves.toEqual([none, values[0]]);
});

it('replaces variables in a variable’s query', async () => {
  const { ds, getResource } = open(templateSrv({ d: 'step', s: 'x' }));
  await ds.metricFindQuery({ dimension: '$d', search: '$s', limit: 3 });
  expect(getResource).toHaveBeenCalledWith('values', { dimension: 'step', search: 'x', limit: 3 });
});

it('lists the values that go with what other variables have', async () => {
  const { ds, getResource } = open(templateSrv({ w: ['a', 'b'], all: '$__all' }));
  const filter = (values: string[]) => [{ dimension: 'workflow', operator: 'in' as const, values }];
  await ds.metricFindQuery({ dimension: 'step', filters: filter(['$w']) });
  expect(getResource).toHaveBeenLastCalledWith('values', { dimension: 'step', filters: JSON.stringify(filter(['a', 'b'])) });
  await ds.metricFindQuery({ dimension: 'step', filters: filter([]) });
  expect(getResource).toHaveBeenLastCalledWith('values', { dimension: 'step' });
});

it('asks for annotations in a new annotation, and leaves others alone', () => {
  const { ds } = open();
  const annotation = { name: 'a', enable: true, iconColor: 'red' };
  const fresh = ds.annotations.prepareAnnotation({ ...annotation, target: { limit: 100, type: 'dashboard' } as never });
  expect(fresh.target).toMatchObject({ queryType: 'annotations', format: 'annotations', limit: 0 });
  for (const target of [{ metrics: ['executions'] }, { queryType: 'errors' }]) {
    const old = { ...annotation, target: target as never };
    expect(ds.annotations.prepareAnnotation(old)).toBe(old);
  }
});

it('asks nothing for a variable that names no dimension', async () => {
  const { ds, getResource } = open();
  await expect(ds.metricFindQuery('')).resolves.toEqual([]);
  expect(getResource).not.toHaveBeenCalled();
});

it('asks for the catalogue once, again after a failure', async () => {
  const { ds, getResource } = open();
  getResource.mockRejectedValueOnce(new Error('away')).mockResolvedValue(catalogue);
  await expect(ds.getCatalogue()).rejects.toThrow('away');
  await ds.getCatalogue();
  await expect(ds.getTagKeys()).resolves.toContainEqual({ text: 'workflow', value: 'workflow' });
  expect(getResource).toHaveBeenCalledTimes(2);
});

describe('a live query', () => {
  const asked = { ...request([], 'utc'), requestId: 'Q1', intervalMs: 15000, maxDataPoints: 900, scopedVars: {} };
  const live = metricsQuery({ live: true, refId: 'B' });

  it('is watched in the channel that the server names, beside queries that are asked', async () => {
    const sent = jest.spyOn(DataSourceWithBackend.prototype, 'query').mockReturnValue(of({ data: ['asked'], state: LoadingState.Done }));
    const getDataStream = jest.fn().mockReturnValue(of({ data: ['live'] }));
    setGrafanaLiveSrv({ getDataStream } as never);
    const { ds } = open();
    const post = jest.spyOn(ds, 'postResource').mockResolvedValue({ path: 'live/scope/query' });
    const answers = await lastValueFrom(ds.query({ ...asked, targets: [metricsQuery(), live] }).pipe(toArray()));
    expect(answers).toContainEqual({ data: ['asked'], state: LoadingState.Done });
    expect(answers).toContainEqual({ data: ['live'], key: 'Q1.B', state: LoadingState.Streaming });
    expect(sent.mock.calls[0][0].targets).toHaveLength(1);
    const data = post.mock.lastCall?.[1];
    expect(data).toMatchObject({ window: 1000, interval: 15000, maxDataPoints: 900, query: { metrics: ['executions'], timeZone: 'UTC' } });
    expect(getDataStream.mock.lastCall[0]).toMatchObject({ addr: { scope: 'ds', namespace: 'u', stream: 'u', path: 'live/scope/query', data }, key: 'Q1.B' });
    sent.mockRestore();
  });

  it.each([[dateTime(2000)], ['now-1h']])('is asked once where the panel looks back, to %s', async (to) => {
    const sent = jest.spyOn(DataSourceWithBackend.prototype, 'query').mockReturnValue(of({ data: [], state: LoadingState.Done }));
    const { ds } = open();
    const back = { ...range, raw: { from: 'now-2d', to } };
    await lastValueFrom(ds.query({ ...asked, range: back, targets: [live] }));
    expect(sent.mock.calls[0][0].targets).toHaveLength(1);
    sent.mockRestore();
  });
});

describe('links to Explore', () => {
  const links = [{ title: 'Show', url: '', internal: { datasourceUid: 'u', datasourceName: 'F', query: {} } }, { title: 'Open', url: '/d/x' }];
  const frame = toDataFrame({ fields: [{ name: 'execution', type: FieldType.string, values: ['a'], config: { links } }, { name: 'n', values: [1] }] });

  it.each([
    [{ from: 'now-1h', to: 'now' }, { from: 'now-1h', to: 'now' }],
    [{ from: dateTime(1000), to: dateTime(2000) }, { from: '1000', to: '2000' }],
  ])('keep the period %j', async (raw, want) => {
    const sent = jest.spyOn(DataSourceWithBackend.prototype, 'query').mockReturnValue(of({ data: [frame], state: LoadingState.Done }));
    const { ds } = open();
    const answer = await lastValueFrom(ds.query({ ...request([metricsQuery()], 'utc'), range: { ...range, raw } }));
    const [internal, url] = answer.data[0].fields[0].config.links;
    expect(internal.internal).toMatchObject({ datasourceUid: 'u', range: { raw: want } });
    expect(url).toEqual(links[1]);
    expect(answer.data[0]).toMatchObject({ length: 1, fields: [{ values: ['a'] }, { name: 'n' }] });
    expect(frame.fields[0].config.links?.[0].internal).not.toHaveProperty('range');
    sent.mockRestore();
  });
});
