import { InlineField, InlineFieldRow, Input } from '@grafana/ui';
import React, { useId } from 'react';

import { useDraft } from '../../hooks/useDraft';
import { labels } from '../../labels';
import { selectors } from '../../selectors';
import { labelWidth } from './rows';

interface Props {
  alias: string;
  onChange: (alias: string) => void;
}

export function AliasField({ alias, onChange }: Props) {
  const words = labels.query.alias;
  const id = useId();
  const draft = useDraft(alias, onChange);
  return (
    <InlineFieldRow>
      <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth}>
        <Input id={id} data-testid={selectors.query.alias} width={44} placeholder={words.placeholder} {...draft} />
      </InlineField>
    </InlineFieldRow>
  );
}
