import { complete, Series } from '../src/promql/complete';
import { completeBy, register } from '../src/promql/monaco';
import { placeOf, wordBefore } from '../src/promql/place';

const series: Series = {
  promqlMetrics: () => Promise.resolve([{ name: 'flowgauge_executions_total', type: 'counter', help: 'Executions that ended.' }]),
  getValues: ({ dimension }) => Promise.resolve([`${dimension}-a`, `${dimension}-b`]),
};

it.each([
  ['', 'expression'],
  ['sum(', 'expression'],
  ['rate(x[5m]) / ', 'expression'],
  ['sum by (', 'label'],
  ['sum without (a, ', 'label'],
  ['a * on (x) group_left(', 'label'],
  ['sum by (a) (', 'expression'],
  ['x{', 'label'],
  ['x{a="b", ', 'label'],
  ['x{a="b"}', 'expression'],
  ['x{a="}', 'value'],
  ["x{a!~'b", 'value'],
  ['x{a =~ `b', 'value'],
  ['x{a="b\\"c', 'value'],
  ['label_replace(x, "', 'expression'],
  ['rate(x[', 'duration'],
  ['rate(x[5m', 'duration'],
  ['x # sum by (', 'expression'],
  ['x # {\n and y{', 'label'],
])('knows what stands after %j', (before, kind) => {
  expect(placeOf(before).kind).toBe(kind);
});

it('finds the word that a completion takes the place of', () => {
  expect(wordBefore('sum(flowgauge_ex', { kind: 'expression' })).toBe('flowgauge_ex');
  expect(wordBefore('x{a="order sy', { kind: 'value', label: 'a' })).toBe('order sy');
  expect(wordBefore('rate(x[$__r', { kind: 'duration' })).toBe('$__r');
});

describe('completion', () => {
  const labelsOf = async (before: string, s = series) => (await complete(before, s)).map((c) => c.label);

  it('offers metrics with what they are, functions and keywords', async () => {
    const all = await complete('', series);
    expect(all[0]).toEqual({
      label: 'flowgauge_executions_total', kind: 'metric', detail: 'counter', documentation: 'Executions that ended.',
    });
    expect(all).toContainEqual(expect.objectContaining({ label: 'rate', insert: 'rate($0)' }));
    expect(all).toContainEqual({ label: 'without', kind: 'keyword' });
  });

  it('offers labels, their values, and windows where they stand', async () => {
    expect(await labelsOf('x{')).toContain('trigger_type');
    expect(await labelsOf('x{workflow="')).toEqual(['workflow-a', 'workflow-b']);
    expect(await labelsOf('x{status="')).toContain('failed');
    expect(await labelsOf('rate(x[')).toContain('$__rate_interval');
  });

  it('offers what it knows itself while the server is away', async () => {
    const away = () => Promise.reject(new Error('away'));
    const all = await labelsOf('', { promqlMetrics: away, getValues: away });
    expect(all).toContain('histogram_quantile');
    expect(await labelsOf('x{workflow="', { ...series, getValues: away })).toEqual([]);
  });
});

describe('in Monaco', () => {
  type Provider = { provideCompletionItems: (model: unknown, at: unknown) => Promise<{ suggestions: unknown[] }> };

  function monaco() {
    const ids: string[] = [];
    const providers: Provider[] = [];
    const languages = {
      getLanguages: () => ids.map((id) => ({ id })),
      register: ({ id }: { id: string }) => ids.push(id),
      setMonarchTokensProvider: jest.fn(),
      setLanguageConfiguration: jest.fn(),
      registerCompletionItemProvider: (_id: string, p: Provider) => providers.push(p),
      CompletionItemKind: { Keyword: 1, Function: 2, Variable: 3, Property: 4, Value: 5, Unit: 6 },
      CompletionItemInsertTextRule: { InsertAsSnippet: 4 },
    };
    return { languages, providers };
  }

  it('is registered once, and completes each editor by its own datasource until that is gone', async () => {
    const { languages, providers } = monaco();
    register({ languages } as never);
    register({ languages } as never);
    expect(providers).toHaveLength(1);

    const text = 'x{workflow="workflow-';
    const model = { id: 'm1', getValueInRange: () => text };
    let dispose = () => {};
    const editor = { getModel: () => model, onDidDispose: (f: () => void) => (dispose = f) };
    completeBy(editor as never, series);
    const ask = () => providers[0].provideCompletionItems(model, { lineNumber: 1, column: text.length + 1 });
    expect((await ask()).suggestions[0]).toMatchObject({
      label: 'workflow-a', kind: 5, insertText: 'workflow-a', range: { startColumn: 13, endColumn: 22 },
    });
    dispose();
    expect((await ask()).suggestions).toEqual([]);
  });
});
