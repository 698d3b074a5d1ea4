import { SelectableValue } from '@grafana/data';

import { labels } from '../labels';

/**
 * What variables and filters hold for the empty value; the backend puts that in
 * its place. An empty text is a variable that is not set. No value is named so:
 * the backend refuses whatever else looks like a variable.
 */
export const NONE = '$__none';

/** A value of a filter or a variable as people see it. */
export function valueOption(value: string): SelectableValue<string> & { label: string; value: string } {
  return value === '' || value === NONE ? { label: labels.none, value: NONE } : { label: value, value };
}
