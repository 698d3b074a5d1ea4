import { QueryEditorProps } from '@grafana/data';
import { Alert, InlineField, InlineFieldRow, Input, Select } from '@grafana/ui';
import React, { useId } from 'react';

import type { DataSource } from '../../datasource';
import { useCatalogue } from '../../hooks/useCatalogue';
import { useDraft } from '../../hooks/useDraft';
import { labels } from '../../labels';
import { chosen, dimensionOptions } from '../../query/options';
import { selectors } from '../../selectors';
import { FlowgaugeOptions, FlowgaugeQuery, noCatalogue, VariableQuery } from '../../types';
import { describeVariableQuery, toVariableQuery } from '../../variables/query';
import { FieldSwitch } from '../FieldSwitch';
import { FilterRows } from '../query/FilterRows';
import { labelWidth } from '../query/rows';

type Editor = QueryEditorProps<DataSource, FlowgaugeQuery, FlowgaugeOptions, VariableQuery>;
// Grafana wants the words for the variable's row as a second argument.
type Props = Omit<Editor, 'onChange' | 'query'> & {
  query: VariableQuery | string;
  onChange: (query: VariableQuery, definition?: string) => void;
};

const words = labels.variable;
const width = 32;

export function VariableQueryEditor({ query: stored, datasource, range, onChange }: Props) {
  const id = useId();
  const query = toVariableQuery(stored);
  const loaded = useCatalogue(datasource);
  const catalogue = loaded.state === 'ready' ? loaded.catalogue : noCatalogue;
  const options = dimensionOptions(catalogue, []);
  const update = (change: Partial<VariableQuery>) => {
    const changed = toVariableQuery({ ...query, ...change });
    const definition = describeVariableQuery(changed);
    onChange({ ...changed, query: definition }, definition);
  };
  const search = useDraft(query.search ?? '', (text) => update({ search: text }));
  const limit = useDraft(query.limit ? String(query.limit) : '', (text) => update({ limit: Number(text) || undefined }));
  return (
    <>
      {loaded.state === 'failed' && (
        <Alert severity="error" title={labels.query.catalogueError}>
          {loaded.message}
        </Alert>
      )}
      <InlineFieldRow>
        <InlineField
          label={words.dimension.label}
          tooltip={words.dimension.tooltip}
          labelWidth={labelWidth}
          data-testid={selectors.variable.dimension}
        >
          <Select
            aria-label={words.dimension.label}
            placeholder={words.dimension.placeholder}
            width={width}
            options={options}
            value={query.dimension === '' ? null : chosen([query.dimension], options)[0]}
            isLoading={loaded.state === 'loading'}
            allowCustomValue
            onChange={({ value }) => update({ dimension: value ?? '' })}
          />
        </InlineField>
      </InlineFieldRow>
      {/* Enter in Grafana's form presses its first button, which would be a value's "Remove". */}
      <button type="submit" hidden />
      <FilterRows
        filters={query.filters ?? []}
        context={{ datasource, catalogue, metrics: [] }}
        range={range}
        onChange={(filters) => update({ filters })}
      />
      <InlineFieldRow>
        <InlineField label={words.search.label} tooltip={words.search.tooltip} labelWidth={labelWidth}>
          <Input
            id={`${id}search`}
            data-testid={selectors.variable.search}
            width={width}
            placeholder={words.search.placeholder}
            {...search}
          />
        </InlineField>
      </InlineFieldRow>
      <InlineFieldRow>
        <InlineField label={words.limit.label} tooltip={words.limit.tooltip} labelWidth={labelWidth}>
          <Input
            id={`${id}limit`}
            data-testid={selectors.variable.limit}
            type="number"
            min={1}
            width={width}
            placeholder={words.limit.placeholder}
            {...limit}
          />
        </InlineField>
      </InlineFieldRow>
      <InlineFieldRow>
        <InlineField label={words.none.label} tooltip={words.none.tooltip} labelWidth={labelWidth}>
          <FieldSwitch
            id={`${id}none`}
            data-testid={selectors.variable.none}
            value={query.none === true}
            onChange={(event) => update({ none: event.currentTarget.checked })}
          />
        </InlineField>
      </InlineFieldRow>
    </>
  );
}
