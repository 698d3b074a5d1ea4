import { TimeRange } from '@grafana/data';
import { InlineField, InlineFieldRow, MultiSelect, RadioButtonGroup, Select } from '@grafana/ui';
import React from 'react';

import { labels } from '../../labels';
import { chosen, dimensionOptions, metricOptions, optionsOf } from '../../query/options';
import { selectors } from '../../selectors';
import { Kind, KindQuery } from '../../types';
import { LimitField } from './LimitField';
import { ParamField } from './ParamField';
import { FilterContext, labelWidth, RowProps } from './rows';

const words = labels.query;
const granularities = optionsOf(words.granularity.options);
const comparisons = optionsOf(words.compare.options);
const directions = [
  { value: true, label: words.direction.usual },
  { value: false, label: words.direction.reversed },
];

interface Props extends RowProps<KindQuery> {
  kind: Kind;
  context: FilterContext;
  range?: TimeRange;
}

/** What a question takes, as the catalogue describes its kind. */
export function KindEditor({ query, kind, context, range, onChange }: Props) {
  const uses = (member: string) => kind.uses.includes(member);
  const setParam = (name: string, value: string) => {
    const { [name]: _before, ...others } = query.params;
    onChange({ ...query, params: value === '' ? others : { ...others, [name]: value } });
  };
  return (
    <>
      {uses('metrics') && <Figures query={query} kind={kind} context={context} onChange={onChange} />}
      {kind.params.map((param) => (
        <InlineFieldRow key={param.name}>
          <ParamField
            param={param}
            value={query.params[param.name] ?? ''}
            context={context}
            range={range}
            onChange={(value) => setParam(param.name, value)}
          />
        </InlineFieldRow>
      ))}
      <InlineFieldRow>
        {uses('granularity') && (
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
              placeholder={words.granularity.usual}
              isClearable
              value={query.granularity ?? null}
              onChange={(picked) => onChange({ ...query, granularity: picked?.value })}
            />
          </InlineField>
        )}
        {uses('compare') && (
          <InlineField
            label={words.compare.label}
            tooltip={words.compare.tooltip}
            labelWidth={uses('granularity') ? 'auto' : labelWidth}
            data-testid={selectors.query.compare}
          >
            <Select
              aria-label={words.compare.label}
              width={20}
              options={comparisons}
              value={query.compare ?? ''}
              onChange={({ value }) => onChange({ ...query, compare: value === '' ? undefined : value })}
            />
          </InlineField>
        )}
        {uses('limit') && <LimitField limit={query.limit} onChange={(limit) => onChange({ ...query, limit })} compact={uses('granularity') || uses('compare')} />}
        {uses('ascending') && (
          <InlineField label={words.direction.label} role="group" aria-label={words.direction.label} data-testid={selectors.query.direction}>
            <RadioButtonGroup
              options={directions}
              value={query.descending ?? true}
              onChange={(descending) => onChange({ ...query, descending })}
            />
          </InlineField>
        )}
      </InlineFieldRow>
    </>
  );
}

function Figures({ query, kind, context, onChange }: Props) {
  const metrics = metricOptions(context.catalogue, [], query.metrics);
  const dimensions = dimensionOptions(context.catalogue, query.metrics ?? []);
  return (
    <InlineFieldRow>
      <InlineField label={words.metrics.label} tooltip={words.metrics.tooltip} labelWidth={labelWidth} grow data-testid={selectors.query.metrics}>
        <MultiSelect
          aria-label={words.metrics.label}
          placeholder={words.metrics.placeholder}
          options={metrics}
          value={chosen(query.metrics ?? [], metrics)}
          allowCustomValue
          onChange={(picked) => onChange({ ...query, metrics: picked.map((o) => o.value ?? '') })}
        />
      </InlineField>
      {kind.uses.includes('groupBy') && (
        <InlineField label={words.groupBy.label} tooltip={words.groupBy.tooltip} grow data-testid={selectors.query.groupBy}>
          <MultiSelect
            aria-label={words.groupBy.label}
            placeholder={words.groupBy.placeholder}
            options={dimensions}
            value={chosen(query.groupBy ?? [], dimensions)}
            allowCustomValue
            onChange={(picked) => onChange({ ...query, groupBy: picked.map((o) => o.value ?? '') })}
          />
        </InlineField>
      )}
    </InlineFieldRow>
  );
}
