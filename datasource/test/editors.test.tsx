import { DataSourcePluginOptionsEditorProps, DataSourceSettings } from '@grafana/data';
import { act, cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React from 'react';

import { ConfigEditor } from '../src/components/config/ConfigEditor';
import { QueryEditor } from '../src/components/query/QueryEditor';
import { VariableQueryEditor } from '../src/components/variable/VariableQueryEditor';
import { labels } from '../src/labels';
import { migrate } from '../src/query/migrate';
import { selectors } from '../src/selectors';
import { FlowgaugeOptions, FlowgaugeSecureOptions } from '../src/types';
import { metricsQuery, templateSrv } from './fixtures';
import { datasource, openQuery } from './openQuery';

const mockSrv = templateSrv({ team: 'a' });
jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => mockSrv,
}));

describe('query editor', () => {
  it('shows the query with the catalogue’s titles', async () => {
    await openQuery(metricsQuery({ metrics: ['success_rate'], groupBy: ['workflow'] }));
    expect(within(screen.getByTestId(selectors.query.metrics)).getByText('Success rate')).toBeTruthy();
    expect(within(screen.getByTestId(selectors.query.groupBy)).getByText('Workflow')).toBeTruthy();
    expect(screen.getByTestId<HTMLInputElement>(selectors.query.limit).value).toBe('10');
  });

  it('hides what only groups need while nothing is grouped', async () => {
    await openQuery(metricsQuery());
    expect(screen.queryByTestId(selectors.query.limit)).toBeNull();
    expect(screen.queryByTestId(selectors.query.direction)).toBeNull();
  });

  it('forgets the order by a metric that is taken out', async () => {
    const query = metricsQuery({ metrics: ['executions', 'success_rate'], orderBy: 'success_rate', groupBy: ['user'] });
    const { onChange, user } = await openQuery(query);
    const [, second] = within(screen.getByTestId(selectors.query.metrics)).getAllByLabelText('Remove');
    await user.click(second);
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ metrics: ['executions'], orderBy: '' }));
  });

  it('offers exemplars where there are series of durations, and keeps the choice', async () => {
    const { onChange, user } = await openQuery(metricsQuery({ metrics: ['executions', 'duration_p95'] }));
    await user.click(screen.getByLabelText(labels.query.exemplar.label));
    const picked = onChange.mock.lastCall[0];
    expect(picked).toMatchObject({ exemplar: true });
    expect(migrate(picked)).toEqual(picked);
    cleanup();
    const again = await openQuery(picked);
    await again.user.click(screen.getByLabelText(labels.query.exemplar.label));
    expect(again.onChange.mock.lastCall[0]).not.toHaveProperty('exemplar');
  });

  it.each([
    ['a count', metricsQuery()],
    ['a table', metricsQuery({ metrics: ['duration_p95'], format: 'table' })],
    ['a whole period', metricsQuery({ metrics: ['duration_p95'], granularity: 'none' })],
  ])('offers no exemplars for %s', async (_name, query) => {
    await openQuery(query);
    expect(screen.queryByTestId(selectors.query.exemplar)).toBeNull();
  });

  it('runs a typed limit once it is entered', async () => {
    const { onChange } = await openQuery(metricsQuery({ groupBy: ['workflow'] }));
    const input = screen.getByTestId(selectors.query.limit);
    fireEvent.change(input, { target: { value: '25' } });
    expect(onChange).not.toHaveBeenCalled();
    fireEvent.keyDown(input, { key: 'Enter' });
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ limit: 25 }));
  });

  it('adds and removes filters', async () => {
    const existing = { dimension: 'user', operator: 'in' as const, values: ['a'] };
    const { onChange, user } = await openQuery(metricsQuery({ filters: [existing] }));
    await user.click(screen.getByTestId(selectors.query.addFilter));
    expect(onChange).toHaveBeenLastCalledWith(
      expect.objectContaining({ filters: [existing, { dimension: '', operator: 'in', values: [] }] })
    );
    await user.click(screen.getByTestId(selectors.query.removeFilter));
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ filters: [] }));
  });

  it('offers values and variables for a filter', async () => {
    const filter = { dimension: 'workflow', operator: 'in' as const, values: [] };
    const { onChange, user } = await openQuery(metricsQuery({ filters: [filter] }));
    await user.click(screen.getByLabelText(labels.query.filters.values));
    await waitFor(() => expect(screen.getByText('order-sync')).toBeTruthy());
    await user.click(screen.getByText('$team'));
    expect(onChange).toHaveBeenCalledWith(
      expect.objectContaining({ filters: [{ dimension: 'workflow', operator: 'in', values: ['$team'] }] })
    );
  });

  it('offers the empty value for a filter and shows it', async () => {
    const filter = { dimension: 'user', operator: 'in' as const, values: ['a'] };
    const { onChange, user } = await openQuery(metricsQuery({ filters: [filter] }));
    await user.type(screen.getByLabelText(labels.query.filters.values), 'none');
    await waitFor(() => expect(screen.getByText('(none)')).toBeTruthy());
    await user.click(screen.getByText('(none)'));
    expect(onChange).toHaveBeenCalledWith(
      expect.objectContaining({ filters: [{ ...filter, values: ['a', '$__none'] }] })
    );
  });

  it('shows the empty value of a filter as people know it', async () => {
    await openQuery(metricsQuery({ filters: [{ dimension: 'user', operator: 'in', values: ['$__none'] }] }));
    expect(screen.getByText('(none)')).toBeTruthy();
    expect(screen.queryByText('$__none')).toBeNull();
  });

  it('shows the generated request', async () => {
    const { user } = await openQuery(metricsQuery());
    await user.click(screen.getByText(labels.query.request));
    expect(JSON.parse(screen.getByTestId(selectors.query.request).textContent ?? '')).toMatchObject({ version: 2 });
  });

  it('asks how the data stood earlier', async () => {
    const { onChange, user } = await openQuery(metricsQuery());
    await user.type(screen.getByTestId(selectors.query.asOf), ' 2026-04-02 {Enter}');
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ asOf: '2026-04-02' }));
  });

  it('says why the catalogue is not there and stays usable', async () => {
    const getCatalogue = () => Promise.reject({ data: { detail: 'Nothing listens at x:9000.' } });
    await openQuery(metricsQuery(), datasource({ getCatalogue }));
    expect(screen.getByText('Nothing listens at x:9000.')).toBeTruthy();
    expect(within(screen.getByTestId(selectors.query.metrics)).getByText('executions')).toBeTruthy();
  });
});

describe('settings', () => {
  type Options = DataSourceSettings<FlowgaugeOptions, FlowgaugeSecureOptions>;

  function open(change: Partial<Options>) {
    const onOptionsChange = jest.fn();
    const options = { jsonData: {}, secureJsonFields: {}, readOnly: false, ...change } as Options;
    const props = { options, onOptionsChange } as DataSourcePluginOptionsEditorProps<
      FlowgaugeOptions,
      FlowgaugeSecureOptions
    >;
    render(<ConfigEditor {...props} />);
    return { onOptionsChange, options };
  }

  it('keeps text and numbers in jsonData', () => {
    const { onOptionsChange } = open({ jsonData: { database: 'd' } });
    fireEvent.change(screen.getByTestId(selectors.config.host), { target: { value: ' db ' } });
    expect(onOptionsChange).toHaveBeenLastCalledWith(expect.objectContaining({ jsonData: { database: 'd', host: 'db' } }));
    fireEvent.change(screen.getByTestId(selectors.config.port), { target: { value: '9440' } });
    expect(onOptionsChange).toHaveBeenLastCalledWith(expect.objectContaining({ jsonData: { database: 'd', port: 9440 } }));
  });

  it('says who sees what', async () => {
    const { onOptionsChange } = open({ jsonData: { viewerScope: 'none' } });
    const user = userEvent.setup();
    const viewers = within(screen.getByTestId(selectors.config.viewerScope));
    expect(viewers.getByText('Nothing')).toBeTruthy();
    await user.click(viewers.getByRole('combobox'));
    await user.click(screen.getByText('What they did themselves'));
    expect(onOptionsChange).toHaveBeenLastCalledWith(expect.objectContaining({ jsonData: { viewerScope: 'own' } }));
    const alerts = within(screen.getByTestId(selectors.config.alertScope));
    expect(alerts.getByText('Everything of the tenant')).toBeTruthy();
    await user.click(alerts.getByRole('combobox'));
    expect(screen.queryByText('As the directory of users says')).toBeNull();
  });

  it('keeps the password apart, and resets a stored one', () => {
    const { onOptionsChange } = open({});
    fireEvent.change(screen.getByTestId(selectors.config.password), { target: { value: 'p' } });
    expect(onOptionsChange).toHaveBeenLastCalledWith(
      expect.objectContaining({ jsonData: {}, secureJsonData: { password: 'p' } })
    );
  });

  it('resets a stored password', () => {
    const { onOptionsChange } = open({ secureJsonFields: { password: true } });
    fireEvent.click(screen.getByText('Reset'));
    expect(onOptionsChange).toHaveBeenLastCalledWith(
      expect.objectContaining({ secureJsonFields: { password: false }, secureJsonData: { password: '' } })
    );
  });

  it('shows certificates when they are asked for', () => {
    open({ jsonData: { secure: true, tlsAuthWithCACert: true } });
    expect(screen.getByTestId(selectors.config.tlsCACert)).toBeTruthy();
    expect(screen.queryByTestId(selectors.config.tlsClientKey)).toBeNull();
  });

  it('is read-only when it was provisioned so', () => {
    open({ readOnly: true, jsonData: { secure: true, tlsAuth: true } });
    for (const id of [selectors.config.host, selectors.config.password, selectors.config.tlsClientKey]) {
      expect(screen.getByTestId<HTMLInputElement>(id).disabled).toBe(true);
    }
    expect(screen.getByTestId<HTMLInputElement>(selectors.config.tlsSkipVerify).disabled).toBe(true);
  });
});

it('reads a variable that is a name alone, and writes the whole query', async () => {
  const onChange = jest.fn();
  await act(async () => {
    render(<VariableQueryEditor query="workflow" datasource={datasource()} onChange={onChange} onRunQuery={jest.fn()} />);
  });
  expect(screen.getByText('Workflow')).toBeTruthy();
  const search = screen.getByTestId(selectors.variable.search);
  fireEvent.change(search, { target: { value: 'sync' } });
  fireEvent.blur(search);
  expect(onChange).toHaveBeenCalledWith(
    expect.objectContaining({ dimension: 'workflow', search: 'sync' }),
    'workflow: sync'
  );
  fireEvent.click(screen.getByTestId(selectors.variable.none));
  expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ dimension: 'workflow', none: true }), 'workflow');
});

it('lists of a variable what goes with another variable', async () => {
  const onChange = jest.fn();
  const step = { refId: 'A', dimension: 'step', filters: [{ dimension: 'workflow', operator: 'in' as const, values: [] }] };
  await act(async () => {
    render(<VariableQueryEditor query={step} datasource={datasource()} onChange={onChange} onRunQuery={jest.fn()} />);
  });
  const user = userEvent.setup();
  await user.click(screen.getByLabelText(labels.query.filters.values));
  await user.click(await screen.findByText('$team'));
  expect(onChange).toHaveBeenLastCalledWith(
    { ...step, query: 'step [workflow is one of $team]', filters: [{ dimension: 'workflow', operator: 'in', values: ['$team'] }] },
    'step [workflow is one of $team]'
  );
});

it('keeps a variable’s filter when Enter is pressed in its form', async () => {
  const onChange = jest.fn();
  const onSubmit = jest.fn((e: React.FormEvent) => e.preventDefault());
  const step = { refId: 'A', dimension: 'step', filters: [{ dimension: 'workflow', operator: 'in' as const, values: ['a'] }] };
  await act(async () => {
    render(
      <form onSubmit={onSubmit}>
        <VariableQueryEditor query={step} datasource={datasource()} onChange={onChange} onRunQuery={jest.fn()} />
      </form>
    );
  });
  await userEvent.setup().type(screen.getByTestId(selectors.variable.search), 'x{Enter}');
  expect(onSubmit).toHaveBeenCalledTimes(1);
  expect(onChange.mock.calls).toEqual([[expect.objectContaining({ ...step, search: 'x' }), 'step [workflow is one of a]: x']]);
});

it('asks at once where the panel shows what another data source gave', async () => {
  const ds = datasource({ type: 'flowgauge' });
  const shownBy = async (type: string) => {
    const onRunQuery = jest.fn();
    const data = { request: { targets: [{ refId: 'A', datasource: { type } }] } } as never;
    await act(async () => {
      render(<QueryEditor query={metricsQuery()} datasource={ds} data={data} onChange={jest.fn()} onRunQuery={onRunQuery} />);
    });
    return onRunQuery.mock.calls.length;
  };
  expect(await shownBy('other')).toBe(1);
  expect(await shownBy('flowgauge')).toBe(0);
});
