import { CoreApp } from '@grafana/data';

import { withAdHocFilters } from '../src/query/adhoc';
import { defaultKindQuery, defaultMetricsQuery } from '../src/query/defaults';
import { migrate, withKind } from '../src/query/migrate';
import { generatedRequest } from '../src/query/request';
import { resolveTimeZone } from '../src/query/timeZone';
import { toVariableQuery, variableRefId } from '../src/variables/query';
import { kinds, metricsQuery } from './fixtures';

describe('migrate', () => {
  it('returns a current query equal', () => {
    const query = metricsQuery({ filters: [{ dimension: 'user', operator: 'not_in', values: ['a'] }], limit: 0 });
    expect(migrate(query)).toEqual(query);
  });

  it('fills in what is missing', () => {
    expect(migrate({ refId: 'A' })).toEqual({ refId: 'A', ...defaultMetricsQuery() });
    expect(migrate({ refId: 'A', queryType: 'waterfall' })).toEqual({
      refId: 'A',
      ...defaultKindQuery(kinds.waterfall),
    });
  });

  it('keeps an empty list of metrics empty', () => {
    expect(migrate({ refId: 'A', metrics: [] })).toMatchObject({ metrics: [] });
  });

  it('mends values that are not of their kind', () => {
    const stored = { refId: 'A', metrics: 'executions', granularity: 'fortnight', limit: '5', filters: [null, { dimension: 1 }] };
    expect(migrate(stored)).toMatchObject({
      metrics: ['executions'],
      granularity: 'auto',
      limit: 5,
      filters: [{ dimension: '', operator: 'in', values: [] }],
    });
  });

  it('keeps Grafana’s own fields', () => {
    const own = { refId: 'B', hide: true, key: 'k', datasource: { uid: 'x', type: 'y' } };
    expect(migrate(own)).toMatchObject(own);
  });
});

describe('a query of the first version', () => {
  it('gets what the second added', () => {
    const { asOf: _asOf, ...first } = metricsQuery();
    expect(migrate({ ...first, version: 1 })).toEqual(metricsQuery());
  });

  it('keeps of error groups what was read of them', () => {
    const filters = [{ dimension: 'user', operator: 'in', values: ['a'] }];
    const stored = { refId: 'A', queryType: 'errors', filters, limit: 5, granularity: 'day', metrics: ['executions'], version: 1 as const };
    expect(migrate(stored)).toEqual({ refId: 'A', ...defaultKindQuery(kinds.errors), filters, limit: 5 });
    expect(migrate({ refId: 'A', queryType: 'errors' })).toMatchObject({ limit: 50 });
  });
});

it('keeps what a kind takes, and adds nothing that it may not', () => {
  const stored = {
    refId: 'A', queryType: 'restatements', metrics: ['dollars'], groupBy: ['workflow'], granularity: 'day', limit: 0, filters: [], timeZone: '',
    format: 'table' as const, asOf: '2026-05-01', params: { since: '2026-04-01' }, fields: ['metric', 'difference'], version: 2,
  };
  expect(migrate(stored)).toEqual(stored);
  expect(Object.keys(migrate({ refId: 'A', queryType: 'sessions', version: 2 }))).not.toEqual(
    expect.arrayContaining(['metrics', 'granularity', 'compare', 'descending'])
  );
});

describe('changing the kind', () => {
  const filters = [{ dimension: 'workflow', operator: 'in' as const, values: ['a'] }];

  it('keeps the filters', () => {
    const errors = withKind(metricsQuery({ filters }), kinds.errors);
    expect(errors).toEqual({ refId: 'A', ...defaultKindQuery(kinds.errors), filters });
    expect(withKind(errors, kinds.metrics)).toEqual(metricsQuery({ filters }));
  });

  it('goes back to how a kind was left', () => {
    const left = metricsQuery({ granularity: 'hour', groupBy: ['user'], hide: true });
    const away = { ...withKind(left, kinds.waterfall), refId: 'B', hide: undefined };
    expect(withKind(away, kinds.metrics, left)).toEqual({ ...left, refId: 'B', hide: undefined });
  });

  it('drops what the other kind does not take', () => {
    expect(withKind(metricsQuery({ filters, asOf: '2026-04-01' }), kinds.waterfall)).toMatchObject({ filters: [], asOf: '2026-04-01' });
  });

  it('keeps metrics and groups where the other kind has some', () => {
    const query = withKind(metricsQuery({ metrics: ['success_rate'], groupBy: ['user'] }), kinds.restatements);
    expect(query).toMatchObject({ metrics: ['success_rate'], groupBy: ['user'], format: 'table' });
  });
});

it('gives an alert rule one value for its period', () => {
  expect(defaultMetricsQuery(CoreApp.UnifiedAlerting)).toMatchObject({ granularity: 'none', format: 'table' });
  expect(defaultMetricsQuery(CoreApp.Dashboard)).toMatchObject({ granularity: 'auto', format: 'timeseries' });
});

it('shows the request without Grafana’s fields', () => {
  const shown = JSON.parse(generatedRequest({ ...metricsQuery(), hide: false, datasource: { uid: 'x' } }));
  expect(Object.keys(shown)).not.toEqual(expect.arrayContaining(['refId']));
  expect(shown).toMatchObject({ queryType: 'metrics', metrics: ['executions'], version: 2 });
});

describe('ad-hoc filters', () => {
  it.each([
    ['=', { dimension: 'user', operator: 'in', values: ['a'] }],
    ['!=', { dimension: 'user', operator: 'not_in', values: ['a'] }],
    ['=|', { dimension: 'user', operator: 'in', values: ['a', 'b'] }],
    ['!=|', { dimension: 'user', operator: 'not_in', values: ['a', 'b'] }],
  ])('%s', (operator, want) => {
    const got = withAdHocFilters(metricsQuery(), [{ key: 'user', operator, value: 'a', values: ['a', 'b'] }]);
    expect(got.filters).toEqual([want]);
  });

  it('refuses what the server cannot do', () => {
    const regex = { key: 'user', operator: '=~', value: 'a.*' };
    expect(() => withAdHocFilters(metricsQuery(), [regex])).toThrow('uses "=~"');
  });

  it.each([
    ['budget_crossings', 0],
    ['late_data', 0],
    ['incidents', 1],
    ['version_changes', 1],
  ])('filters annotations of %s where they can be', (of, want) => {
    const query = migrate({ refId: 'A', queryType: 'annotations', params: { of } });
    expect(withAdHocFilters(query, [{ key: 'user', operator: '=', value: 'a' }]).filters).toHaveLength(want);
  });
});

it.each([
  ['utc', 'UTC'],
  ['browser', Intl.DateTimeFormat().resolvedOptions().timeZone],
  ['', Intl.DateTimeFormat().resolvedOptions().timeZone],
  [undefined, Intl.DateTimeFormat().resolvedOptions().timeZone],
  ['Asia/Tokyo', 'Asia/Tokyo'],
])('takes the time zone %s for %s', (zone, want) => {
  expect(resolveTimeZone(zone)).toBe(want);
});

it.each([
  ['workflow', { dimension: 'workflow', refId: variableRefId }],
  [{ dimension: 'workflow' }, { dimension: 'workflow', refId: variableRefId }],
  [{ query: 'workflow', refId: 'V' }, { dimension: 'workflow', refId: 'V' }],
  [{ dimension: 'user', search: 'a', limit: 5 }, { dimension: 'user', search: 'a', limit: 5, refId: variableRefId }],
  [{ dimension: 'user', none: true }, { dimension: 'user', none: true, refId: variableRefId }],
  [{ dimension: 'user', none: 'x' }, { dimension: 'user', refId: variableRefId }],
  [undefined, { dimension: '', refId: variableRefId }],
])('reads a variable’s query %j', (stored, want) => {
  expect(toVariableQuery(stored)).toEqual(want);
});
