import { InlineField, InlineFieldRow, Input } from '@grafana/ui';
import React, { useId } from 'react';

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
  const id = useId(); // a page has an editor for each of a panel's queries
  const draft = useDraft(asOf, (text) => onChange(text.trim()));
  return (
    <InlineFieldRow>
      <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth}>
        <Input id={id} data-testid={selectors.query.asOf} width={32} placeholder={words.placeholder} {...draft} />
      </InlineField>
    </InlineFieldRow>
  );
}
