import { CodeEditor, InlineField, InlineFieldRow } from '@grafana/ui';
import React from 'react';

import type { DataSource } from '../../datasource';
import { labels } from '../../labels';
import { completeBy, languageId, register } from '../../promql/monaco';
import { selectors } from '../../selectors';
import { KindQuery } from '../../types';
import { AliasField } from './AliasField';
import { labelWidth, RowProps } from './rows';

interface Props extends RowProps<KindQuery> {
  datasource: DataSource;
}

const words = labels.query.promql;

/** A query in Prometheus' language. It runs when one leaves it, or saves it. */
export function PromQLEditor({ query, datasource, onChange }: Props) {
  const set = (expr: string) => expr !== (query.expr ?? '') && onChange({ ...query, expr });
  return (
    <>
      <InlineFieldRow>
        <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth} grow data-testid={selectors.query.expr}>
          <CodeEditor
            language={languageId}
            value={query.expr ?? ''}
            height="80px"
            showMiniMap={false}
            showLineNumbers={false}
            onBlur={set}
            onSave={set}
            onBeforeEditorMount={register}
            onEditorDidMount={(editor) => completeBy(editor, datasource)}
          />
        </InlineField>
      </InlineFieldRow>
      {query.format === 'timeseries' && <AliasField alias={query.alias ?? ''} onChange={(alias) => onChange({ ...query, alias })} />}
    </>
  );
}
