import { InlineField, InlineFieldRow, RadioButtonGroup } from '@grafana/ui';
import React from 'react';

import { labels } from '../../labels';
import { withKind } from '../../query/migrate';
import { optionsOf } from '../../query/options';
import { selectors } from '../../selectors';
import { labelWidth, RowProps } from './rows';

const words = labels.query;
const kinds = optionsOf(words.kind.options);
const formats = optionsOf(words.format.options);

export function KindRow({ query, onChange }: RowProps) {
  return (
    <InlineFieldRow>
      <InlineField label={words.kind.label} labelWidth={labelWidth} data-testid={selectors.query.kind}>
        <RadioButtonGroup options={kinds} value={query.queryType} onChange={(kind) => onChange(withKind(query, kind))} />
      </InlineField>
      {query.queryType === 'metrics' && (
        <InlineField label={words.format.label} data-testid={selectors.query.format}>
          <RadioButtonGroup options={formats} value={query.format} onChange={(format) => onChange({ ...query, format })} />
        </InlineField>
      )}
    </InlineFieldRow>
  );
}
