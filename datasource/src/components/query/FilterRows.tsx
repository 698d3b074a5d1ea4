import { TimeRange } from '@grafana/data';
import { Button, InlineField, InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { labels } from '../../labels';
import { selectors } from '../../selectors';
import { Filter } from '../../types';
import { FilterRow } from './FilterRow';
import { FilterContext, labelWidth } from './rows';

interface Props {
  filters: Filter[];
  context: FilterContext;
  range?: TimeRange;
  onChange: (filters: Filter[]) => void;
}

const words = labels.query.filters;

/** All conditions, which hold together. */
export function FilterRows({ filters, context, range, onChange }: Props) {
  const replace = (at: number, filter: Filter) => onChange(filters.map((f, i) => (i === at ? filter : f)));
  return (
    <>
      {filters.map((filter, i) => (
        // A row has no name of its own; its place is what it is known by.
        <FilterRow
          key={i}
          label={i === 0 ? words.label : words.and}
          tooltip={i === 0 ? words.tooltip : undefined}
          filter={filter}
          context={context}
          range={range}
          onChange={(changed) => replace(i, changed)}
          onRemove={() => onChange(filters.filter((_, at) => at !== i))}
        />
      ))}
      <InlineFieldRow>
        <InlineField
          label={filters.length === 0 ? words.label : ' '}
          tooltip={filters.length === 0 ? words.tooltip : undefined}
          transparent={filters.length > 0}
          labelWidth={labelWidth}
        >
          <Button
            variant="secondary"
            icon="plus"
            data-testid={selectors.query.addFilter}
            onClick={() => onChange([...filters, { dimension: '', operator: 'in', values: [] }])}
          >
            {words.add}
          </Button>
        </InlineField>
      </InlineFieldRow>
    </>
  );
}
