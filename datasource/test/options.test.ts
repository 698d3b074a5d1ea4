import { SelectableValue } from '@grafana/data';

import { dimensionsOf } from '../src/query/compatible';
import { chosen, dimensionOptions, metricOptions } from '../src/query/options';
import { catalogue, metricsQuery } from './fixtures';

function names(options: Array<SelectableValue<string>>, disabled: boolean) {
  const flat: Array<SelectableValue<string>> = options.flatMap((o) => o.options ?? [o]);
  return flat.filter((o) => o.isDisabled === disabled).map((o) => o.value);
}

it('groups metrics by area and opens those in use', () => {
  const options = metricOptions(catalogue, [], ['step_duration_p95']);
  expect(options.map((o) => [o.label, o.expanded])).toEqual([
    ['Executions', false],
    ['Steps', true],
  ]);
});

it('disables the metrics that lack a dimension and says why', () => {
  const options = metricOptions(catalogue, ['workflow', 'user']);
  expect(names(options, true)).toEqual(['step_duration_p95']);
  expect(options[1].options[0].description).toBe('Not available with User.');
});

it('disables the dimensions that a metric lacks and says for which', () => {
  const options = dimensionOptions(catalogue, ['executions', 'success_rate']);
  expect(names(options, true)).toEqual(['step']);
  expect(options[3].description).toBe('Not available for Executions, Success rate.');
});

it('counts groups and filters as dimensions in use, variables not', () => {
  const query = metricsQuery({
    groupBy: ['workflow', '$d'],
    filters: [
      { dimension: 'user', operator: 'in', values: ['a'] },
      { dimension: '', operator: 'in', values: [] },
      { dimension: 'workflow', operator: 'in', values: [] },
    ],
  });
  expect(dimensionsOf(query)).toEqual(['workflow', 'user']);
});

it('shows what it does not know by its name', () => {
  expect(chosen(['executions', 'gone'], metricOptions(catalogue, []))).toEqual([
    { value: 'executions', label: 'Executions' },
    { value: 'gone', label: 'gone' },
  ]);
});
