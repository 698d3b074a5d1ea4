import { InlineField, InlineFieldRow, RadioButtonGroup, Select } from '@grafana/ui';
import React, { useRef } from 'react';

import { labels } from '../../labels';
import { withKind } from '../../query/migrate';
import { about, kindOptions, optionsOf } from '../../query/options';
import { selectors } from '../../selectors';
import { FlowgaugeQuery, Kind } from '../../types';
import { labelWidth, RowProps } from './rows';

const words = labels.query;
const formats = optionsOf(words.format.options);

interface Props extends RowProps {
  kinds: Kind[];
}

/** What is asked, and how the answer is shaped. */
export function KindRow({ query, kinds, onChange }: Props) {
  const kind = kinds.find((k) => k.kind === query.queryType);
  const options = kindOptions(kinds);
  const left = useRef<Record<string, FlowgaugeQuery>>({}); // so that a look at another kind costs nothing
  const setFormat = (format: FlowgaugeQuery['format']) => onChange({ ...query, format });
  return (
    <InlineFieldRow>
      <InlineField
        label={words.kind.label}
        tooltip={kind ? about(kind) : words.kind.tooltip}
        labelWidth={labelWidth}
        data-testid={selectors.query.kind}
      >
        <Select
          aria-label={words.kind.label}
          width={32}
          options={options}
          value={options.find((o) => o.value === query.queryType) ?? { value: query.queryType, label: query.queryType }}
          onChange={({ value }) => {
            const chosen = kinds.find((k) => k.kind === value);
            if (chosen) {
              left.current[query.queryType] = query;
              onChange(withKind(query, chosen, left.current[chosen.kind]));
            }
          }}
        />
      </InlineField>
      {kind && kind.formats.length > 1 && (
        <InlineField label={words.format.label} role="group" aria-label={words.format.label} data-testid={selectors.query.format}>
          <RadioButtonGroup
            options={formats.filter((f) => f.value && kind.formats.includes(f.value))}
            value={query.format}
            onChange={setFormat}
          />
        </InlineField>
      )}
    </InlineFieldRow>
  );
}
