import { ScopedVars } from '@grafana/data';
import { TemplateSrv } from '@grafana/runtime';

import { Interpolated, Replacers } from './interpolate';
import { NONE } from './none';

const ALL = '$__all';
const reference = /\$(\w+)|\$\{(\w+)(?:[.:][^}]*)?\}|\[\[(\w+)(?::\w+)?\]\]/g;

/** The replacements of a query, on Grafana's template service. */
export function replacers(srv: TemplateSrv, scopedVars: ScopedVars): Replacers {
  // The backend knows the step of a query in a language, and alert rules have nobody else.
  const { __interval: _interval, __interval_ms: _ms, ...others } = scopedVars;
  return {
    text: (t) => srv.replace(t, scopedVars),
    value: (t) => replaceValue(srv, scopedVars, t),
    language: {
      promql: (t) => srv.replace(t, others, promqlValue),
      // Macros are the backend's, which tells code from texts and comments.
      sql: (t) => t.split(/(\$__\w+)/).map((part, i) => (i % 2 ? part : srv.replace(part, others, sqlValues(srv, others)))).join(''),
    },
  };
}

/** A variable within a string of PromQL: several values, or one of a list, are a regular expression. */
function promqlValue(value: unknown, variable: { multi?: boolean; includeAll?: boolean } = {}): string {
  const quoted = (text: string) => text.replace(/[\\"]/g, '\\$&');
  const one = (v: unknown) => (v === NONE ? '' : String(v));
  if (!Array.isArray(value) && !variable.multi && !variable.includeAll) {
    return quoted(one(value));
  }
  const list = (Array.isArray(value) ? value : [value]).map((v) => quoted(one(v).replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')));
  return list.length === 1 ? list[0] : `(${list.join('|')})`;
}

/** A variable in a statement: its values as texts, or the mark of "All", whose condition a macro leaves out. */
function sqlValues(srv: TemplateSrv, scopedVars: ScopedVars) {
  const quoted = (v: unknown) => `'${v === NONE ? '' : String(v).replace(/[\\']/g, '\\$&')}'`;
  return (value: unknown, { name = '' }: { name?: string } = {}): string =>
    scopedVars[name] === undefined && isAll(srv, name) ? quoted(ALL) : (Array.isArray(value) ? value : [value]).map(quoted).join(', ');
}

function replaceValue(srv: TemplateSrv, scopedVars: ScopedVars, text: string): Interpolated {
  if (text === NONE || (!text.includes('$') && !text.includes('[['))) {
    return { kind: 'values', values: [text] };
  }
  if (namesIn(text).some((name) => scopedVars[name] === undefined && isAll(srv, name))) {
    return { kind: 'all' };
  }
  return { kind: 'values', values: expand(srv, scopedVars, text) };
}

/**
 * "a-$x" with x = [1, 2] becomes ["a-1", "a-2"]. Each variable leaves a mark
 * where it stood; the marks are then replaced by every combination of values.
 */
function expand(srv: TemplateSrv, scopedVars: ScopedVars, text: string): string[] {
  const lists: string[][] = [];
  const marked = srv.replace(text, scopedVars, (value: unknown) => {
    lists.push((Array.isArray(value) ? value : [value]).map(String));
    return `\u0000${lists.length - 1}\u0000`;
  });
  return lists.reduce<string[]>(
    (texts, values, i) => {
      const mark = `\u0000${i}\u0000`;
      // Inside a text the empty value is nothing.
      return texts.flatMap((t) => values.map((v) => t.split(mark).join(v === NONE && t !== mark ? '' : v)));
    },
    [marked]
  );
}

function isAll(srv: TemplateSrv, name: string): boolean {
  const variable = srv.getVariables().find((v) => v.name === name);
  if (variable === undefined || !('current' in variable) || hasAllValue(variable)) {
    return false;
  }
  const value: unknown = (variable.current as { value?: unknown }).value;
  return value === ALL || (Array.isArray(value) && value.includes(ALL));
}

// A dashboard's author may have said what "All" stands for; then that counts.
function hasAllValue(variable: object): boolean {
  return 'allValue' in variable && typeof variable.allValue === 'string' && variable.allValue !== '';
}

function namesIn(text: string): string[] {
  return [...text.matchAll(reference)].map((m) => m[1] ?? m[2] ?? m[3]);
}
