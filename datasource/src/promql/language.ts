/**
 * The labels of the metrics, with their values where these are no dimension's. The server would have to
 * go through all series for them, which may be too many.
 */
export const labels: Record<string, string[] | undefined> = {
  workflow: undefined,
  version: undefined,
  trigger_type: undefined,
  error_type: undefined,
  status: ['completed', 'failed', 'skipped'],
  step: undefined,
  step_type: undefined,
  action_type: undefined,
  action: undefined,
  resource: undefined,
  user: undefined,
};

/** The functions and operators of PromQL that are of use here, and what each gives. */
export const functions: Record<string, string> = {
  rate: 'Per second, averaged over the window, of a counter.',
  increase: 'How much a counter grew over the window.',
  irate: 'Per second, of the last two samples of the window.',
  sum: 'Adds up series.',
  avg: 'Averages series.',
  min: 'The smallest of the series.',
  max: 'The largest of the series.',
  count: 'How many series there are.',
  topk: 'The k largest series: topk(5, …).',
  bottomk: 'The k smallest series: bottomk(5, …).',
  quantile: 'A quantile of the series: quantile(0.95, …).',
  histogram_quantile: 'A quantile of a histogram: histogram_quantile(0.95, …).',
  histogram_fraction: 'The share of a histogram between two bounds.',
  histogram_avg: 'The average of a histogram.',
  histogram_count: 'How many observations a histogram has.',
  histogram_sum: 'The sum of the observations of a histogram.',
  avg_over_time: 'Averages a gauge over the window.',
  min_over_time: 'The smallest value in the window.',
  max_over_time: 'The largest value in the window.',
  sum_over_time: 'Adds up the samples of the window.',
  delta: 'How much a gauge changed over the window.',
  deriv: 'The slope of a gauge, per second.',
  predict_linear: 'Where a gauge will be in t seconds.',
  changes: 'How often a value changed in the window.',
  absent: '1 where there is no such series.',
  clamp_min: 'No less than a bound.',
  clamp_max: 'No more than a bound.',
  round: 'To the nearest whole number.',
  label_replace: 'Makes a label of another.',
  label_join: 'Makes a label of several.',
  vector: 'A number as a series without labels.',
  scalar: 'A series of one element as a number.',
  time: 'Seconds since 1970 at the time of evaluation.',
  hour: 'Hour of the day in UTC.',
  day_of_week: 'Day of the week in UTC; 0 is Sunday.',
  sort_desc: 'The largest first.',
};

export const keywords = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'offset', 'bool', 'and', 'or', 'unless'];

/** Windows, with Grafana's variables of the resolution first. */
export const durations = ['$__rate_interval', '$__interval', '$__range', '5m', '15m', '1h', '6h', '1d', '7d'];

/** Colours, as Monaco's tokenizer takes them. */
export const grammar = {
  defaultToken: '',
  keywords,
  functions: Object.keys(functions),
  tokenizer: {
    root: [
      [/#.*$/, 'comment'],
      [/\$\{?\w+\}?/, 'variable'],
      [/"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|`[^`]*`?/, 'string'],
      [/\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*|\d[\d.eE]*/, 'number'],
      [/[A-Za-z_][\w:]*/, { cases: { '@keywords': 'keyword', '@functions': 'type', '@default': 'identifier' } }],
      [/[{}()[\]]/, 'delimiter.bracket'],
      [/[=!~<>+\-*/%^@]+/, 'operator'],
    ],
  },
};
