import { act, render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React from 'react';

import { QueryEditor } from '../src/components/query/QueryEditor';
import { DataSource } from '../src/datasource';
import { FlowgaugeQuery } from '../src/types';
import { catalogue } from './fixtures';

export function datasource(overrides: Partial<DataSource> = {}): DataSource {
  return {
    getCatalogue: () => Promise.resolve(catalogue),
    getValues: () => Promise.resolve(['order-sync', 'backup']),
    getTables: () => Promise.resolve([{ name: 'executions', columns: [{ name: 'time', type: 'DateTime64(3)' }] }]),
    applyTemplateVariables: (q: FlowgaugeQuery) => q,
    ...overrides,
  } as DataSource;
}

export async function openQuery(query: FlowgaugeQuery, ds = datasource()) {
  const onChange = jest.fn();
  const onRunQuery = jest.fn();
  await act(async () => {
    render(<QueryEditor query={query} datasource={ds} onChange={onChange} onRunQuery={onRunQuery} />);
  });
  await act(() => new Promise((resolve) => setTimeout(resolve))); // values are asked for in a turn of their own
  return { onChange, onRunQuery, user: userEvent.setup() };
}
