import { Monaco, MonacoEditor } from '@grafana/ui';

import { complete, Series, Suggestion } from './complete';
import { grammar } from './language';
import { placeOf, wordBefore } from './place';

export const languageId = 'flowgauge-promql';

// Monaco is one for all editors of a page, and so is a language. Each editor's text is
// completed by its own datasource.
const seriesOf = new Map<string, Series>();

/** Tells Monaco the language, once. */
export function register(monaco: Monaco) {
  if (monaco.languages.getLanguages().some((l) => l.id === languageId)) {
    return;
  }
  monaco.languages.register({ id: languageId });
  monaco.languages.setMonarchTokensProvider(languageId, grammar as never);
  monaco.languages.setLanguageConfiguration(languageId, {
    brackets: [
      ['{', '}'],
      ['[', ']'],
      ['(', ')'],
    ],
    autoClosingPairs: ['{}', '[]', '()', '""', "''"].map(([open, close]) => ({ open, close })),
    comments: { lineComment: '#' },
  });
  monaco.languages.registerCompletionItemProvider(languageId, {
    triggerCharacters: ['{', '[', '(', ',', '"', "'", '=', '$'],
    provideCompletionItems: async (model, { lineNumber, column }) => {
      const series = seriesOf.get(model.id);
      if (!series) {
        return { suggestions: [] };
      }
      const before = model.getValueInRange({ startLineNumber: 1, startColumn: 1, endLineNumber: lineNumber, endColumn: column });
      const word = wordBefore(before, placeOf(before));
      const range = { startLineNumber: lineNumber, endLineNumber: lineNumber, startColumn: column - word.length, endColumn: column };
      const suggestions = await complete(before, series);
      return { suggestions: suggestions.map((s) => ({ ...item(monaco, s), range })) };
    },
  });
}

function item(monaco: Monaco, s: Suggestion) {
  const { Keyword, Function: Fn, Variable, Property, Value, Unit } = monaco.languages.CompletionItemKind;
  const kinds = { metric: Variable, function: Fn, keyword: Keyword, label: Property, value: Value, duration: Unit };
  const snippet = monaco.languages.CompletionItemInsertTextRule.InsertAsSnippet;
  return {
    label: s.label,
    kind: kinds[s.kind],
    detail: s.detail,
    documentation: s.documentation,
    insertText: s.insert ?? s.label,
    insertTextRules: s.insert === undefined ? undefined : snippet,
  };
}

/** Completes an editor's text by a datasource, until the editor is gone. */
export function completeBy(editor: MonacoEditor, series: Series) {
  const id = editor.getModel()?.id;
  if (id !== undefined) {
    seriesOf.set(id, series);
    editor.onDidDispose(() => seriesOf.delete(id));
  }
}
