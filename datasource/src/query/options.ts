import { SelectableValue } from '@grafana/data';

import { labels } from '../labels';
import { Catalogue, Kind, Metric } from '../types';
import { dimensionTitle, metricsWithout, missingDimensions } from './compatible';

type Option = SelectableValue<string>;

/** The options of a closed list, from its words. */
export function optionsOf<T extends string>(words: Record<T, string>): Array<SelectableValue<T>> {
  return (Object.keys(words) as T[]).map((value) => ({ value, label: words[value] }));
}

/** What a kind of question is, and whose. */
export const about = ({ description, plugin }: Kind): string =>
  plugin ? labels.query.kind.ofPlugin(description, plugin) : description;

/** The kinds of question, each explained. */
export function kindOptions(kinds: Kind[]): Option[] {
  return kinds.map((kind) => ({ value: kind.kind, label: kind.title, description: about(kind), title: about(kind) }));
}

/**
 * Metrics by area; the areas of the picked ones are open. A metric that lacks a
 * dimension in use is disabled and says which.
 */
export function metricOptions(catalogue: Catalogue, dimensions: string[], picked: string[] = []): Option[] {
  const areas = [...new Set(catalogue.metrics.map((m) => m.area))];
  return areas.map((area) => {
    const metrics = catalogue.metrics.filter((m) => m.area === area);
    return {
      label: area,
      expanded: metrics.some((m) => picked.includes(m.name)),
      options: metrics.map((m) => metricOption(catalogue, m, dimensions)),
    };
  });
}

function metricOption(catalogue: Catalogue, metric: Metric, dimensions: string[]): Option {
  const missing = missingDimensions(metric, dimensions).map((d) => dimensionTitle(catalogue, d));
  const description = missing.length > 0 ? labels.query.notWith(missing) : metric.description;
  return {
    value: metric.name,
    label: metric.title,
    description,
    title: description,
    isDisabled: missing.length > 0,
  };
}

/** Dimensions; one that a chosen metric lacks is disabled and says for which. */
export function dimensionOptions(catalogue: Catalogue, metrics: string[]): Option[] {
  return catalogue.dimensions.map((d) => {
    const without = metricsWithout(catalogue, metrics, d.name).map((m) => m.title);
    const description = without.length > 0 ? labels.query.notFor(without) : d.description;
    return { value: d.name, label: d.title, description, title: description, isDisabled: without.length > 0 };
  });
}

/** The chosen values as options, with the catalogue's titles where it knows them. */
export function chosen(values: string[], options: Option[]): Option[] {
  const flat = options.flatMap((o) => (o.options as Option[] | undefined) ?? [o]);
  return values.map((value) => ({ value, label: flat.find((o) => o.value === value)?.label ?? value }));
}

/** A name of the server's as words. */
export function titleOf(name: string): string {
  const text = name.replace(/_ms$/, '').replace(/_/g, ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
