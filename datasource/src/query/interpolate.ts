import { Filter, FlowgaugeQuery, isMetrics, isText, Language } from '../types';

/** What a variable stands for: one value, several, or all there are. */
export type Interpolated = { kind: 'all' } | { kind: 'values'; values: string[] };

/** Replaces the variables of a text; lists are joined. */
export type ReplaceText = (text: string) => string;
/** Replaces the variables of a filter's value, a list giving several. */
export type ReplaceValue = (text: string) => Interpolated;

export interface Replacers {
  text: ReplaceText;
  value: ReplaceValue;
  /** Replaces the variables of a query that is a text in a language. */
  language: Record<Language, ReplaceText>;
}

const ALL = '$__all';

/** Replaces the variables in every string of a query. */
export function interpolateQuery(query: FlowgaugeQuery, { text, value, language }: Replacers): FlowgaugeQuery {
  const common = {
    filters: interpolateFilters(query.filters, text, value),
    timeZone: text(query.timeZone),
    asOf: text(query.asOf),
  };
  if (!isMetrics(query)) {
    return {
      ...query,
      ...common,
      params: Object.fromEntries(Object.entries(query.params).map(([name, v]) => [name, text(v)])),
      ...(isText(query) && { expr: language[query.queryType](query.expr ?? '') }),
      ...(query.metrics && { metrics: list(query.metrics, value) }),
      ...(query.groupBy && { groupBy: list(query.groupBy, value) }),
    };
  }
  return {
    ...query,
    ...common,
    metrics: list(query.metrics, value),
    groupBy: list(query.groupBy, value),
    orderBy: text(query.orderBy),
    alias: text(query.alias),
  };
}

/**
 * A filter whose variable means "All" or is not set yet filters nothing, so it
 * goes: listing every option instead would be slow, and would leave out rows
 * that came after the options were read.
 */
export function interpolateFilters(filters: Filter[], text: ReplaceText, value: ReplaceValue): Filter[] {
  const out: Filter[] = [];
  for (const f of filters) {
    const values: string[] = [];
    let all = false;
    for (const v of f.values) {
      const got = value(v);
      if (got.kind === 'all' || got.values.includes(ALL)) {
        all = true;
        break;
      }
      values.push(...got.values.filter((s) => s !== ''));
    }
    if (!all && values.length > 0) {
      out.push({ dimension: text(f.dimension), operator: f.operator, values: [...new Set(values)] });
    }
  }
  return out;
}

function list(texts: string[], value: ReplaceValue): string[] {
  const out = texts.flatMap((t) => {
    const got = value(t);
    return got.kind === 'all' ? [] : got.values;
  });
  return [...new Set(out.filter((s) => s !== ''))];
}
