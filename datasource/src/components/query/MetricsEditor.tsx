import { InlineField, InlineFieldRow, MultiSelect } from '@grafana/ui';
import React from 'react';

import { labels } from '../../labels';
import { dimensionsOf } from '../../query/compatible';
import { chosen, metricOptions } from '../../query/options';
import { selectors } from '../../selectors';
import { MetricsQuery } from '../../types';
import { AliasField } from './AliasField';
import { GroupRow } from './GroupRow';
import { CatalogueRowProps, labelWidth } from './rows';
import { TimeRow } from './TimeRow';

const words = labels.query;

/** The fields that only a query for metrics has. */
export function MetricsEditor({ query, catalogue, onChange }: CatalogueRowProps<MetricsQuery>) {
  const options = metricOptions(catalogue, dimensionsOf(query), query.metrics);
  const setMetrics = (metrics: string[]) => {
    // The top groups cannot be by a metric that is no longer there.
    onChange({ ...query, metrics, orderBy: metrics.includes(query.orderBy) ? query.orderBy : '' });
  };
  return (
    <>
      <InlineFieldRow>
        <InlineField
          label={words.metrics.label}
          tooltip={words.metrics.tooltip}
          labelWidth={labelWidth}
          grow
          data-testid={selectors.query.metrics}
        >
          <MultiSelect
            aria-label={words.metrics.label}
            placeholder={words.metrics.placeholder}
            options={options}
            value={chosen(query.metrics, options)}
            allowCustomValue
            closeMenuOnSelect={false}
            onChange={(picked) => setMetrics(picked.map((o) => o.value ?? ''))}
          />
        </InlineField>
      </InlineFieldRow>
      <GroupRow query={query} catalogue={catalogue} onChange={onChange} />
      <TimeRow query={query} catalogue={catalogue} onChange={onChange} />
      <AliasField alias={query.alias} onChange={(alias) => onChange({ ...query, alias })} />
    </>
  );
}
