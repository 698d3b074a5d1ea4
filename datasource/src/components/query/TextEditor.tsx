import { CodeEditor, InlineField, InlineFieldRow } from '@grafana/ui';
import React from 'react';

import type { DataSource } from '../../datasource';
import { useSqlSuggestions } from '../../hooks/useSqlSuggestions';
import { labels } from '../../labels';
import { completeBy, languageId, register } from '../../promql/monaco';
import { selectors } from '../../selectors';
import { TextQuery } from '../../types';
import { AliasField } from './AliasField';
import { labelWidth, RowProps } from './rows';

interface Props extends RowProps<TextQuery> {
  datasource: DataSource;
}

/** A query in a language. It runs when one leaves it, or saves it. */
export function TextEditor({ query, datasource, onChange }: Props) {
  const words = labels.query.text[query.queryType];
  const Editor = query.queryType === 'sql' ? SqlEditor : PromQLEditor;
  const set = (expr: string) => expr !== (query.expr ?? '') && onChange({ ...query, expr });
  return (
    <>
      <InlineFieldRow>
        <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth} grow data-testid={selectors.query.expr}>
          <Editor text={query.expr ?? ''} datasource={datasource} onChange={set} />
        </InlineField>
      </InlineFieldRow>
      {query.format === 'timeseries' && <AliasField alias={query.alias ?? ''} onChange={(alias) => onChange({ ...query, alias })} />}
    </>
  );
}

interface EditorProps {
  text: string;
  datasource: DataSource;
  onChange: (text: string) => void;
}

function PromQLEditor({ text, datasource, onChange }: EditorProps) {
  return (
    <CodeEditor
      language={languageId}
      value={text}
      height="80px"
      showMiniMap={false}
      showLineNumbers={false}
      onBlur={onChange}
      onSave={onChange}
      onBeforeEditorMount={register}
      onEditorDidMount={(editor) => completeBy(editor, datasource)}
    />
  );
}

function SqlEditor({ text, datasource, onChange }: EditorProps) {
  const suggestions = useSqlSuggestions(datasource);
  return (
    <CodeEditor
      language="sql"
      value={text}
      height="160px"
      showMiniMap={false}
      showLineNumbers
      onBlur={onChange}
      onSave={onChange}
      getSuggestions={suggestions}
    />
  );
}
