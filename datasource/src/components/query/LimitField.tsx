import { InlineField, Input } from '@grafana/ui';
import React, { useId } from 'react';

import { useDraft } from '../../hooks/useDraft';
import { labels } from '../../labels';
import { selectors } from '../../selectors';
import { labelWidth } from './rows';

interface Props {
  limit: number;
  onChange: (limit: number) => void;
  /** Beside other fields, not at the start of a row. */
  compact?: boolean;
}

export function LimitField({ limit, onChange, compact }: Props) {
  const id = useId();
  const draft = useDraft(String(limit), (text) => {
    const n = Number(text);
    if (text !== '' && Number.isInteger(n) && n >= 0) {
      onChange(n);
    }
  });
  return (
    <InlineField
      label={labels.query.limit.label}
      tooltip={labels.query.limit.tooltip}
      labelWidth={compact ? 'auto' : labelWidth}
    >
      <Input id={id} data-testid={selectors.query.limit} type="number" min={0} width={10} {...draft} />
    </InlineField>
  );
}
