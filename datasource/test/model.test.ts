import { CoreApp } from '@grafana/data';

import { withAdHocFilters } from '../src/query/adhoc';
import { defaultErrorsQuery, defaultMetricsQuery } from '../src/query/defaults';
import { migrate, withKind } from '../src/query/migrate';
import { generatedRequest } from '../src/query/request';
import { resolveTimeZone } from '../src/query/timeZone';
import { toVariableQuery, variableRefId } from '../src/variables/query';
import { metricsQuery } from './fixtures';

describe('migrate', () => {
  it('returns a current query equal', () => {
    const query = metricsQuery({ filters: [{ dimension: 'user', operator: 'not_in', values: ['a'] }], limit: 0 });
    expect(migrate(query)).toEqual(query);
  });

  it('fills in what is missing', () => {
    expect(migrate({ refId: 'A' })).toEqual({ refId: 'A', ...defaultMetricsQuery() });
    expect(migrate({ refId: 'A', queryType: 'errors' })).toEqual({ refId: 'A', ...defaultErrorsQuery() });
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

it('changes the kind and keeps the filters', () => {
  const filters = [{ dimension: 'workflow', operator: 'in' as const, values: ['a'] }];
  const errors = withKind(metricsQuery({ filters }), 'errors');
  expect(errors).toEqual({ refId: 'A', ...defaultErrorsQuery(), filters });
  expect(withKind(errors, 'metrics')).toEqual(metricsQuery({ filters }));
});

it('gives an alert rule one value for its period', () => {
  expect(defaultMetricsQuery(CoreApp.UnifiedAlerting)).toMatchObject({ granularity: 'none', format: 'table' });
  expect(defaultMetricsQuery(CoreApp.Dashboard)).toMatchObject({ granularity: 'auto', format: 'timeseries' });
});

it('shows the request without Grafana’s fields', () => {
  const shown = JSON.parse(generatedRequest({ ...metricsQuery(), hide: false, datasource: { uid: 'x' } }));
  expect(Object.keys(shown)).not.toEqual(expect.arrayContaining(['refId']));
  expect(shown).toMatchObject({ queryType: 'metrics', metrics: ['executions'], version: 1 });
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
