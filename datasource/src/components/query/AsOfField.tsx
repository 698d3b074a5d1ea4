import { InlineField, InlineFieldRow, Input } from '@grafana/ui';
import React from 'react';

import { useDraft } from '../../hooks/useDraft';
import { labels } from '../../labels';
import { selectors } from '../../selectors';
import { labelWidth } from './rows';

interface Props {
  asOf: string;
  onChange: (asOf: string) => void;
}

/** The moment whose knowledge answers. */
export function AsOfField({ asOf, onChange }: Props) {
  const words = labels.query.asOf;
  const draft = useDraft(asOf, (text) => onChange(text.trim()));
  return (
    <InlineFieldRow>
      <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth}>
        <Input data-testid={selectors.query.asOf} width={32} placeholder={words.placeholder} {...draft} />
      </InlineField>
    </InlineFieldRow>
  );
}
