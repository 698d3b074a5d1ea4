import { SelectableValue, TimeRange } from '@grafana/data';
import { AsyncSelect, InlineField, Input, Select } from '@grafana/ui';
import React from 'react';

import { useDraft } from '../../hooks/useDraft';
import { useValueLoader } from '../../hooks/useValueLoader';
import { labels } from '../../labels';
import { metricOptions, titleOf } from '../../query/options';
import { selectors } from '../../selectors';
import { Param } from '../../types';
import { FilterContext, labelWidth } from './rows';

export interface ParamProps {
  param: Param;
  value: string;
  context: FilterContext;
  range?: TimeRange;
  onChange: (value: string) => void;
}

/** One parameter of a question: a choice where its values are known, else text. */
export function ParamField(props: ParamProps) {
  const { param, value, context } = props;
  const missing = param.required && value === '';
  return (
    <InlineField
      label={titleOf(param.name)}
      tooltip={param.description}
      labelWidth={labelWidth}
      invalid={missing}
      error={missing ? labels.query.params.required : undefined}
      data-testid={selectors.query.param(param.name)}
    >
      {control(props, context.catalogue.dimensions.some((d) => d.name === param.name))}
    </InlineField>
  );
}

function control(props: ParamProps, isDimension: boolean) {
  const { param, context } = props;
  if (param.allowed) {
    return <Choice {...props} options={param.allowed.map((value) => ({ value, label: titleOf(value) }))} />;
  }
  if (param.name === 'metric') {
    return <Choice {...props} options={metricOptions(context.catalogue, [])} />;
  }
  return isDimension ? <Values {...props} /> : <Text {...props} />;
}

/** What stands in an empty field: what is taken then, or how a value looks. */
function placeholder({ default: absent, example }: Param): string {
  if (absent) {
    return titleOf(absent);
  }
  return example ? labels.query.params.example(example) : '';
}

function Choice({ param, value, options, onChange }: ParamProps & { options: Array<SelectableValue<string>> }) {
  const flat = options.flatMap((o) => (o.options as Array<SelectableValue<string>> | undefined) ?? [o]);
  return (
    <Select
      aria-label={titleOf(param.name)}
      width={32}
      isClearable
      allowCustomValue
      placeholder={placeholder(param)}
      options={options}
      value={value === '' ? null : flat.find((o) => o.value === value) ?? { value, label: value }}
      onChange={(picked) => onChange(picked?.value ?? '')}
    />
  );
}

function Values({ param, value, context, range, onChange }: ParamProps) {
  const load = useValueLoader(context, param.name, range);
  return (
    <AsyncSelect
      aria-label={titleOf(param.name)}
      width={32}
      isClearable
      allowCustomValue
      defaultOptions
      placeholder={placeholder(param)}
      loadOptions={load}
      value={value === '' ? null : { value, label: value }}
      onChange={(picked) => onChange(picked?.value ?? '')}
    />
  );
}

function Text({ param, value, onChange }: ParamProps) {
  const draft = useDraft(value, (text) => onChange(text.trim()));
  return <Input aria-label={titleOf(param.name)} width={32} placeholder={placeholder(param)} {...draft} />;
}
