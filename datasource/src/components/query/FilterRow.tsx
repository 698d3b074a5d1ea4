import { TimeRange } from '@grafana/data';
import { AsyncMultiSelect, Button, InlineField, InlineFieldRow, Select } from '@grafana/ui';
import React from 'react';

import { useValueLoader } from '../../hooks/useValueLoader';
import { labels } from '../../labels';
import { valueOption } from '../../query/none';
import { chosen, dimensionOptions, optionsOf } from '../../query/options';
import { selectors } from '../../selectors';
import { Filter } from '../../types';
import { FilterContext, labelWidth } from './rows';

interface Props {
  label: string;
  tooltip?: string;
  filter: Filter;
  context: FilterContext;
  range?: TimeRange;
  onChange: (filter: Filter) => void;
  onRemove: () => void;
}

const words = labels.query.filters;
const operators = optionsOf(words.operators);

/** One condition: a dimension, how to compare, and values that load as one types. */
export function FilterRow({ label, tooltip, filter, context, range, onChange, onRemove }: Props) {
  const load = useValueLoader(context, filter.dimension, range);
  const dimensions = dimensionOptions(context.catalogue, context.metrics);
  const [dimension] = chosen([filter.dimension], dimensions);
  return (
    <InlineFieldRow data-testid={selectors.query.filter}>
      <InlineField
        label={label}
        tooltip={tooltip}
        labelWidth={labelWidth}
        data-testid={selectors.query.filterDimension}
      >
        <Select
          aria-label={words.dimension}
          placeholder={words.dimension}
          width={24}
          options={dimensions}
          value={filter.dimension === '' ? null : dimension}
          allowCustomValue
          onChange={({ value }) => onChange({ ...filter, dimension: value ?? '', values: [] })}
        />
      </InlineField>
      <InlineField data-testid={selectors.query.filterOperator}>
        <Select
          aria-label={words.label}
          width={16}
          options={operators}
          value={filter.operator}
          onChange={({ value }) => value && onChange({ ...filter, operator: value })}
        />
      </InlineField>
      <InlineField grow data-testid={selectors.query.filterValues}>
        <AsyncMultiSelect
          // Without it the options of the dimension before would stay.
          key={filter.dimension}
          aria-label={words.values}
          placeholder={words.values}
          noOptionsMessage={words.none}
          loadOptions={load}
          defaultOptions
          value={filter.values.map(valueOption)}
          allowCustomValue
          closeMenuOnSelect={false}
          onChange={(picked) => onChange({ ...filter, values: picked.map((o) => o.value ?? '') })}
        />
      </InlineField>
      <Button
        variant="secondary"
        icon="trash-alt"
        aria-label={words.remove}
        tooltip={words.remove}
        data-testid={selectors.query.removeFilter}
        onClick={onRemove}
      />
    </InlineFieldRow>
  );
}
