import { interpolateQuery } from '../src/query/interpolate';
import { migrate } from '../src/query/migrate';
import { replacers } from '../src/query/templating';
import { Filter, KindQuery, MetricsQuery } from '../src/types';
import { metricsQuery, templateSrv } from './fixtures';

function filter(...values: string[]): Filter {
  return { dimension: 'workflow', operator: 'in', values };
}

function interpolate(query: MetricsQuery, srv = templateSrv({}), scoped = {}): MetricsQuery {
  return interpolateQuery(query, replacers(srv, scoped)) as MetricsQuery;
}

describe('filters', () => {
  it.each([
    ['text', {}, ['a'], ['a']],
    ['one value', { w: 'a' }, ['$w'], ['a']],
    ['several values', { w: ['a', 'b'] }, ['$w'], ['a', 'b']],
    ['several values inside a text', { w: ['a', 'b'] }, ['x-${w}-y'], ['x-a-y', 'x-b-y']],
    ['two variables', { v: ['1', '2'], w: ['a', 'b'] }, ['$v$w'], ['1a', '1b', '2a', '2b']],
    ['the same value twice', { w: ['a', 'b'] }, ['a', '$w'], ['a', 'b']],
    ['an unset one beside another', { v: '', w: 'a' }, ['$v', '$w'], ['a']],
    ['an unknown variable', {}, ['$nope'], ['$nope']],
    ['the empty value as it is written', {}, ['$__none'], ['$__none']],
    ['the empty value', { w: '$__none' }, ['$w'], ['$__none']],
    ['the empty value among others', { w: ['a', '$__none'] }, ['$w'], ['a', '$__none']],
    ['the empty value inside a text', { w: ['a', '$__none'] }, ['x-$w'], ['x-a', 'x-']],
    ['a value with a comma', { w: ['a,b', 'c'] }, ['$w'], ['a,b', 'c']],
  ])('%s', (_name, variables: Record<string, string | string[]>, values, want) => {
    expect(interpolate(metricsQuery({ filters: [filter(...values)] }), templateSrv(variables)).filters).toEqual([
      filter(...want),
    ]);
  });

  it.each([
    ['no value', {}, []],
    ['an empty text', {}, ['']],
    ['an unset variable', { w: '' }, ['$w']],
    ['a variable without values', { w: [] }, ['$w']],
    ['All', { w: '$__all' }, ['$w']],
    ['All in a list', { w: ['$__all'] }, ['$w']],
    ['All beside a value', { w: '$__all' }, ['a', '$w']],
    ['All in the other spelling', { w: ['$__all'] }, ['${w:csv}']],
    ['All as it is written', {}, ['$__all']],
  ])('is dropped for %s', (_name, variables: Record<string, string | string[]>, values) => {
    const srv = templateSrv(variables, ['a', 'b']);
    expect(interpolate(metricsQuery({ filters: [filter(...values)] }), srv).filters).toEqual([]);
  });

  it('keeps what the author says "All" stands for', () => {
    const srv = templateSrv({ w: '$__all' }, ['a', 'b'], 'every');
    expect(interpolate(metricsQuery({ filters: [filter('$w')] }), srv).filters).toEqual([filter('every')]);
  });

  it('takes a repeated panel’s own value before "All"', () => {
    const srv = templateSrv({ w: '$__all' }, ['a', 'b']);
    const scoped = { w: { text: 'b', value: 'b' } };
    expect(interpolate(metricsQuery({ filters: [filter('$w')] }), srv, scoped).filters).toEqual([filter('b')]);
  });
});

it('replaces variables in every other text', () => {
  const srv = templateSrv({ m: ['executions', 'success_rate'], d: 'workflow', z: 'Europe/Berlin', n: 'x' });
  const query = metricsQuery({
    metrics: ['$m'],
    groupBy: ['$d'],
    orderBy: '$n',
    timeZone: '$z',
    alias: '$n {{workflow}}',
    filters: [{ dimension: '$d', operator: 'not_in', values: ['a'] }],
  });
  expect(interpolate(query, srv)).toEqual({
    ...query,
    metrics: ['executions', 'success_rate'],
    groupBy: ['workflow'],
    orderBy: 'x',
    timeZone: 'Europe/Berlin',
    alias: 'x {{workflow}}',
    filters: [{ dimension: 'workflow', operator: 'not_in', values: ['a'] }],
  });
});

it('leaves the query that it was given alone', () => {
  const query = metricsQuery({ filters: [filter('$w')] });
  const before = JSON.stringify(query);
  interpolate(query, templateSrv({ w: ['a'] }));
  expect(JSON.stringify(query)).toBe(before);
});

describe('a query in PromQL', () => {
  it.each([
    ['one value', { w: 'a"b' }, '{workflow="$w"}', '{workflow="a\\"b"}'],
    ['several values', { w: ['a.b', 'c'] }, '{workflow=~"$w"}', '{workflow=~"(a\\\\.b|c)"}'],
    ['one of several', { w: ['a+b'] }, '{workflow=~"$w"}', '{workflow=~"a\\\\+b"}'],
    ['the empty value', { w: ['a', '$__none'] }, '{workflow=~"$w"}', '{workflow=~"(a|)"}'],
  ])('has %s', (_name, variables: Record<string, string | string[]>, expr, want) => {
    const query = migrate({ refId: 'A', queryType: 'promql', expr, version: 2 });
    expect(interpolateQuery(query, replacers(templateSrv(variables), {}))).toMatchObject({ expr: want });
  });

  it('leaves its resolution to the backend', () => {
    const query = migrate({ refId: 'A', queryType: 'promql', expr: 'rate(x[$__interval])', version: 2 });
    const scoped = { __interval: { text: '15s', value: '15s' }, __interval_ms: { text: '15000', value: 15000 } };
    expect(interpolateQuery(query, replacers(templateSrv({}), scoped))).toMatchObject({ expr: 'rate(x[$__interval])' });
  });
});

describe('a statement in SQL', () => {
  const sql = (expr: string, srv: ReturnType<typeof templateSrv>, scoped = {}) =>
    (interpolateQuery(migrate({ refId: 'A', queryType: 'sql', expr, version: 2 }), replacers(srv, scoped)) as KindQuery).expr;

  it.each([
    ['one value', { w: "a'b\\" }, 'w = $w', "w = 'a\\'b\\\\'"],
    ['several values', { w: ['a', 'b'] }, 'w IN ($w)', "w IN ('a', 'b')"],
    ['the empty value', { w: '$__none' }, 'w = $w', "w = ''"],
    ['All', { w: '$__all' }, '$__conditionalAll(w IN ($w), $w)', "$__conditionalAll(w IN ('$__all'), '$__all')"],
    ['macros', { __from: '1', __interval: '2' }, '$__timeFilter(t) $__from $__interval', '$__timeFilter(t) $__from $__interval'],
  ])('has %s', (_name, variables: Record<string, string | string[]>, expr, want) => {
    expect(sql(expr, templateSrv(variables, ['x']))).toBe(want);
  });

  it('has what the author says "All" stands for, and a repeated panel’s own value', () => {
    expect(sql('w = $w', templateSrv({ w: '$__all' }, [], 'every'))).toBe("w = 'every'");
    expect(sql('w = $w', templateSrv({ w: '$__all' }, ['a']), { w: { text: 'b', value: 'b' } })).toBe("w = 'b'");
  });
});
