import { InlineField, InlineFieldRow, Select } from '@grafana/ui';
import React, { useMemo } from 'react';

import { labels } from '../../labels';
import { optionsOf } from '../../query/options';
import { timeZoneNames } from '../../query/timeZone';
import { selectors } from '../../selectors';
import { Catalogue, MetricsQuery } from '../../types';
import { FieldSwitch } from '../FieldSwitch';
import { CatalogueRowProps, labelWidth } from './rows';

const words = labels.query;
const granularities = optionsOf(words.granularity.options);
const comparisons = optionsOf(words.compare.options);

/** Points lie on series of durations alone. */
const hasExemplars = (query: MetricsQuery, catalogue: Catalogue) =>
  query.format === 'timeseries' && query.granularity !== 'none' && query.metrics.some((m) => catalogue.exemplars.includes(m));

/** How time is cut, where days begin, and what to compare with. */
export function TimeRow({ query, catalogue, onChange }: CatalogueRowProps<MetricsQuery>) {
  const zones = useMemo(
    () => [
      { value: '', label: words.timeZone.dashboard },
      ...timeZoneNames().map((name) => ({ value: name, label: name })),
    ],
    []
  );
  return (
    <InlineFieldRow>
      <InlineField
        label={words.granularity.label}
        tooltip={words.granularity.tooltip}
        labelWidth={labelWidth}
        data-testid={selectors.query.granularity}
      >
        <Select
          aria-label={words.granularity.label}
          width={20}
          options={granularities}
          value={query.granularity}
          onChange={({ value }) => value && onChange({ ...query, granularity: value })}
        />
      </InlineField>
      <InlineField label={words.compare.label} tooltip={words.compare.tooltip} data-testid={selectors.query.compare}>
        <Select
          aria-label={words.compare.label}
          width={20}
          options={comparisons}
          value={query.compare}
          onChange={({ value }) => onChange({ ...query, compare: value ?? '' })}
        />
      </InlineField>
      <InlineField label={words.timeZone.label} tooltip={words.timeZone.tooltip} data-testid={selectors.query.timeZone}>
        <Select
          aria-label={words.timeZone.label}
          width={26}
          options={zones}
          value={query.timeZone}
          allowCustomValue
          onChange={({ value }) => onChange({ ...query, timeZone: value ?? '' })}
        />
      </InlineField>
      <InlineField label={words.live.label} tooltip={words.live.tooltip} data-testid={selectors.query.live}>
        <FieldSwitch
          aria-label={words.live.label}
          value={query.live === true}
          onChange={(e) => {
            const { live: _before, ...other } = query;
            onChange(e.currentTarget.checked ? { ...other, live: true } : other);
          }}
        />
      </InlineField>
      {hasExemplars(query, catalogue) && (
        <InlineField label={words.exemplar.label} tooltip={words.exemplar.tooltip} data-testid={selectors.query.exemplar}>
          <FieldSwitch
            aria-label={words.exemplar.label}
            value={query.exemplar === true}
            onChange={(e) => {
              const { exemplar: _before, ...other } = query;
              onChange(e.currentTarget.checked ? { ...other, exemplar: true } : other);
            }}
          />
        </InlineField>
      )}
    </InlineFieldRow>
  );
}
