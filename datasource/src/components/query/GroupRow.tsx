import { InlineField, InlineFieldRow, MultiSelect, RadioButtonGroup, Select } from '@grafana/ui';
import React from 'react';

import { labels } from '../../labels';
import { chosen, dimensionOptions, metricOptions } from '../../query/options';
import { selectors } from '../../selectors';
import { MetricsQuery } from '../../types';
import { LimitField } from './LimitField';
import { CatalogueRowProps, labelWidth } from './rows';

const words = labels.query;
const directions = [
  { value: true, label: words.direction.descending },
  { value: false, label: words.direction.ascending },
];

/** By what to group, and which groups to keep. */
export function GroupRow({ query, catalogue, onChange }: CatalogueRowProps<MetricsQuery>) {
  const dimensions = dimensionOptions(catalogue, query.metrics);
  const grouped = query.groupBy.length > 0;
  return (
    <InlineFieldRow>
      <InlineField
        label={words.groupBy.label}
        tooltip={words.groupBy.tooltip}
        labelWidth={labelWidth}
        grow
        data-testid={selectors.query.groupBy}
      >
        <MultiSelect
          aria-label={words.groupBy.label}
          placeholder={words.groupBy.placeholder}
          options={dimensions}
          value={chosen(query.groupBy, dimensions)}
          allowCustomValue
          onChange={(picked) => onChange({ ...query, groupBy: picked.map((o) => o.value ?? '') })}
        />
      </InlineField>
      {grouped && <LimitField limit={query.limit} onChange={(limit) => onChange({ ...query, limit })} compact />}
      {grouped && query.metrics.length > 1 && (
        <InlineField label={words.orderBy.label} tooltip={words.orderBy.tooltip} data-testid={selectors.query.orderBy}>
          <Select
            aria-label={words.orderBy.tooltip}
            width={24}
            options={[{ value: '', label: words.orderBy.first }, ...chosen(query.metrics, metricOptions(catalogue, []))]}
            value={query.orderBy}
            onChange={(picked) => onChange({ ...query, orderBy: picked.value ?? '' })}
          />
        </InlineField>
      )}
      {grouped && (
        <InlineField label={words.direction.label} role="group" aria-label={words.direction.label} data-testid={selectors.query.direction}>
          <RadioButtonGroup
            options={directions}
            value={query.descending}
            onChange={(descending) => onChange({ ...query, descending })}
          />
        </InlineField>
      )}
    </InlineFieldRow>
  );
}
