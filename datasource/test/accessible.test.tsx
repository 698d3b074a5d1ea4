import { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { act, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React from 'react';

import { ConfigEditor } from '../src/components/config/ConfigEditor';
import { VariableQueryEditor } from '../src/components/variable/VariableQueryEditor';
import { labels } from '../src/labels';
import { migrate } from '../src/query/migrate';
import { FlowgaugeOptions, FlowgaugeSecureOptions, VariableQuery } from '../src/types';
import { expectAccessible } from './accessible';
import { kinds, metricsQuery, templateSrv } from './fixtures';
import { datasource, openQuery } from './openQuery';

const mockSrv = templateSrv({ team: 'a' });
jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => mockSrv,
}));

// Monaco loads itself from Grafana, and its accessibility is its own.
jest.mock('@grafana/ui', () => ({
  ...jest.requireActual('@grafana/ui'),
  CodeEditor: () => null,
}));

const away = () => Promise.reject(new Error('Nothing listens at x:9000.'));
const filters = [
  { dimension: 'workflow', operator: 'in' as const, values: ['$team', 'backup'] },
  { dimension: '', operator: 'not_in' as const, values: [] },
];

describe('the query editor is accessible', () => {
  it.each(Object.keys(kinds))('for %s', async (queryType) => {
    await openQuery(migrate({ refId: 'A', queryType, format: kinds[queryType as keyof typeof kinds].formats[0], version: 2 }));
    await expectAccessible();
  });

  it('with groups, filters and an order', async () => {
    const metrics = ['executions', 'success_rate'];
    await openQuery(metricsQuery({ metrics, groupBy: ['user'], orderBy: 'success_rate', filters, live: true }));
    await expectAccessible();
  });

  it('with parameters that are set', async () => {
    const params = { since: '2026-04-01', show: 'all' };
    await openQuery(migrate({ refId: 'A', queryType: 'restatements', params, filters, version: 2 }));
    await expectAccessible();
  });

  it('with the request shown', async () => {
    const { user } = await openQuery(metricsQuery());
    await user.click(screen.getByText(labels.query.request));
    await expectAccessible();
  });

  it.each([labels.query.kind.label, labels.query.metrics.label, labels.query.groupBy.label])('with the menu %s open', async (menu) => {
    const { user } = await openQuery(metricsQuery());
    await user.click(screen.getByRole('combobox', { name: menu }));
    await expectAccessible();
  });

  it('without the catalogue', async () => {
    await openQuery(metricsQuery(), datasource({ getCatalogue: away }));
    await expectAccessible();
  });
});

describe('the settings are accessible', () => {
  const tls = { secure: true, tlsAuthWithCACert: true, tlsAuth: true };
  const stored = { password: true, sqlPassword: true, pseudonymKey: true, tlsCACert: true, tlsClientCert: true, tlsClientKey: true };

  it.each([
    ['with TLS', { jsonData: tls }],
    ['with stored secrets', { jsonData: tls, secureJsonFields: stored }],
    ['when provisioned', { jsonData: tls, readOnly: true }],
  ])('%s', async (_when, change) => {
    const props = { options: { secureJsonFields: {}, ...change }, onOptionsChange: jest.fn() };
    render(<ConfigEditor {...(props as unknown as DataSourcePluginOptionsEditorProps<FlowgaugeOptions, FlowgaugeSecureOptions>)} />);
    await expectAccessible();
  });
});

describe('the editor of variables is accessible', () => {
  async function open(query: VariableQuery | string, ds = datasource()) {
    await act(async () => {
      render(<VariableQueryEditor query={query} datasource={ds} onChange={jest.fn()} onRunQuery={jest.fn()} />);
    });
  }

  it('at first, and with its menu open', async () => {
    await open('');
    await expectAccessible();
    await userEvent.setup().click(screen.getByRole('combobox', { name: labels.variable.dimension.label }));
    await expectAccessible();
  });

  it('with everything set', async () => {
    await open({ refId: 'V', dimension: 'workflow', search: 'sync', limit: 5, none: true });
    await expectAccessible();
  });

  it('without the catalogue', async () => {
    await open('workflow', datasource({ getCatalogue: away }));
    await expectAccessible();
  });
});
