import { CodeEditorSuggestionItem, CodeEditorSuggestionItemKind } from '@grafana/ui';
import { useCallback, useEffect, useRef } from 'react';

import type { DataSource } from '../datasource';

/** What a statement may name: macros, and the tables that its user may read. */
export function useSqlSuggestions(datasource: DataSource): () => CodeEditorSuggestionItem[] {
  const known = useRef<CodeEditorSuggestionItem[]>([]);
  useEffect(() => {
    let gone = false;
    known.current = [];
    const add = (items: CodeEditorSuggestionItem[]) => {
      if (!gone) {
        known.current = [...known.current, ...items];
      }
    };
    // One can write a statement without them, and running it says what is wrong.
    datasource.getCatalogue().then(({ macros }) => add(macros.map(macroItem)), () => undefined);
    datasource.getTables().then((tables) => add(tables.flatMap(tableItems)), () => undefined);
    return () => {
      gone = true;
    };
  }, [datasource]);
  return useCallback(() => known.current, []);
}

function macroItem({ name, args, description }: { name: string; args: string; description: string }): CodeEditorSuggestionItem {
  const text = args === '' ? name : `${name}(${args})`;
  return { label: text, insertText: text, kind: CodeEditorSuggestionItemKind.Method, documentation: description };
}

function tableItems({ name, columns }: { name: string; columns: Array<{ name: string; type: string }> }): CodeEditorSuggestionItem[] {
  return [
    { label: name, kind: CodeEditorSuggestionItemKind.Property, detail: 'table' },
    ...columns.map((c) => ({ label: c.name, kind: CodeEditorSuggestionItemKind.Field, detail: `${name}: ${c.type}` })),
  ];
}
