import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import React from 'react';

import { labels } from '../src/labels';
import { migrate } from '../src/query/migrate';
import { selectors } from '../src/selectors';
import { metricsQuery, templateSrv } from './fixtures';
import { datasource, openQuery } from './openQuery';

const mockSrv = templateSrv({});
jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => mockSrv,
}));

interface MockEditor {
  language: string;
  value: string;
  onBlur: (text: string) => void;
  getSuggestions?: () => unknown[];
}
const mockSuggestions = jest.fn();

// Monaco loads itself from Grafana; here a text field stands in for it.
jest.mock('@grafana/ui', () => ({
  ...jest.requireActual('@grafana/ui'),
  CodeEditor: ({ language, value, onBlur, getSuggestions }: MockEditor) => (
    <>
      <textarea aria-label="code" data-language={language} defaultValue={value} onBlur={(e) => onBlur(e.currentTarget.value)} />
      <button onClick={() => mockSuggestions(getSuggestions?.())}>complete</button>
    </>
  ),
}));

describe('a query of another kind', () => {
  it('offers every kind with what it is, and changes to it', async () => {
    const { onChange, onRunQuery, user } = await openQuery(metricsQuery());
    await user.click(within(screen.getByTestId(selectors.query.kind)).getByRole('combobox'));
    expect(screen.getByText('About Sessions.')).toBeTruthy();
    await user.click(screen.getByText('Waterfall of one execution'));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ queryType: 'waterfall', params: {}, format: 'table' }));
    expect(onRunQuery).toHaveBeenCalled();
  });

  it('has the fields that the kind takes, and says which are needed', async () => {
    const { onChange, user } = await openQuery(migrate({ refId: 'A', queryType: 'waterfall', version: 2 }));
    expect(screen.queryByTestId(selectors.query.addFilter)).toBeNull();
    expect(screen.queryByTestId(selectors.query.granularity)).toBeNull();
    expect(screen.getByText(labels.query.params.required)).toBeTruthy();
    await user.type(screen.getByLabelText('Execution'), 'exec-7{Enter}');
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ params: { execution: 'exec-7' } }));
  });

  it('offers the values of a parameter, and takes one away', async () => {
    const query = migrate({ refId: 'A', queryType: 'restatements', params: { show: 'all', since: 'x' }, version: 2 });
    const { onChange, user } = await openQuery(query);
    const field = screen.getByTestId(selectors.query.param('show'));
    await user.click(within(field).getByRole('combobox'));
    await user.click(screen.getByText('Changes'));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ params: { show: 'changes', since: 'x' } }));
    await user.type(within(field).getByRole('combobox'), '{Backspace}');
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ params: { since: 'x' } }));
  });

  it('loads the values of a parameter that is a dimension', async () => {
    const { onChange, user } = await openQuery(migrate({ refId: 'A', queryType: 'sessions', version: 2 }));
    await user.click(within(screen.getByTestId(selectors.query.param('user'))).getByRole('combobox'));
    await waitFor(() => expect(screen.getByText('order-sync')).toBeTruthy());
    await user.click(screen.getByText('order-sync'));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ params: { user: 'order-sync' } }));
  });

  it('turns the order round', async () => {
    const { onChange, user } = await openQuery(migrate({ refId: 'A', queryType: 'sessions', version: 2 }));
    await user.click(screen.getByLabelText(labels.query.direction.reversed));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ descending: false }));
  });

  it('shapes the answer as the kind can', async () => {
    const { onChange, user } = await openQuery(migrate({ refId: 'A', queryType: 'errors', version: 2 }));
    const field = screen.getByTestId(selectors.query.format);
    expect(within(field).queryByLabelText('Trace')).toBeNull();
    await user.click(within(field).getByLabelText('Logs'));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ format: 'logs' }));
  });
});

describe('a query of a plugin’s kind', () => {
  it('is offered among the others, found by its title, and says whose it is', async () => {
    const { onChange, user } = await openQuery(metricsQuery());
    const field = within(screen.getByTestId(selectors.query.kind)).getByRole('combobox');
    await user.click(field);
    await user.type(field, 'budgets');
    expect(screen.queryByText('Sessions')).toBeNull();
    expect(screen.getByText('About Error budgets. From the plugin acme-slo.')).toBeTruthy();
    await user.click(screen.getByText('Error budgets'));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ queryType: 'acme-slo.slo', params: {}, format: 'table' }));
  });

  it('has the parameters that the plugin describes', async () => {
    const { onChange, user } = await openQuery(migrate({ refId: 'A', queryType: 'acme-slo.slo', params: { target_percent: '95' }, version: 2 }));
    expect(screen.queryByTestId(selectors.query.addFilter)).toBeNull();
    expect(screen.getByTestId(selectors.query.granularity)).toBeTruthy();
    expect(screen.getByText(labels.query.params.required)).toBeTruthy();
    expect(screen.getByLabelText<HTMLInputElement>('Target percent').value).toBe('95');
    await user.click(within(screen.getByTestId(selectors.query.param('of'))).getByRole('combobox'));
    await user.click(screen.getByText('Steps'));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ params: { target_percent: '95', of: 'steps' } }));
  });

  it('keeps the query of a plugin that is not there', async () => {
    const { onChange } = await openQuery(migrate({ refId: 'A', queryType: 'acme-gone.kind', params: { a: 'b' }, version: 2 }));
    expect(screen.getByText('acme-gone.kind')).toBeTruthy();
    expect(onChange).not.toHaveBeenCalled();
  });
});

it('takes a query in PromQL, and runs it when one leaves it', async () => {
  const { onChange, onRunQuery, user } = await openQuery(
    migrate({ refId: 'A', queryType: 'promql', expr: 'up', format: 'timeseries', version: 2 })
  );
  expect(screen.queryByTestId(selectors.query.addFilter)).toBeNull();
  const code = screen.getByLabelText<HTMLTextAreaElement>('code');
  expect(code.value).toBe('up');
  fireEvent.blur(code);
  expect(onChange).not.toHaveBeenCalled();
  await user.type(code, ' + 1');
  fireEvent.blur(code);
  expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ expr: 'up + 1' }));
  expect(onRunQuery).toHaveBeenCalledTimes(1);
  const alias = screen.getByTestId(selectors.query.alias);
  fireEvent.change(alias, { target: { value: '{{workflow}}' } });
  fireEvent.blur(alias);
  expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ alias: '{{workflow}}' }));
});

describe('a statement in SQL', () => {
  const query = migrate({ refId: 'A', queryType: 'sql', expr: 'SELECT 1', format: 'table', version: 2 });

  it('is code, and completed by macros and by what may be read', async () => {
    const { onChange, user } = await openQuery(query);
    const code = screen.getByLabelText<HTMLTextAreaElement>('code');
    expect(code.dataset.language).toBe('sql');
    expect(screen.queryByTestId(selectors.query.alias)).toBeNull();
    await user.click(screen.getByText('complete'));
    const offered = mockSuggestions.mock.lastCall[0].map(({ label }: { label: string }) => label);
    expect(offered).toEqual(['$__timeFilter(column)', '$__interval', 'executions', 'time']);
    await user.type(code, ' + 1');
    fireEvent.blur(code);
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ queryType: 'sql', expr: 'SELECT 1 + 1' }));
  });

  it('can be written while the server is away', async () => {
    const away = () => Promise.reject(new Error('away'));
    const { user } = await openQuery(query, datasource({ getTables: away }));
    await user.click(screen.getByText('complete'));
    expect(mockSuggestions.mock.lastCall[0]).toHaveLength(2);
  });
});
