import { DataFrame, DataLink, DataQueryResponse, isDateTime, TimeRange } from '@grafana/data';

/**
 * Gives links to Explore the period that was asked for. The server has no way to: its library
 * names that field otherwise than Grafana does, and Explore would open with a period of its own.
 */
export function withPeriod(response: DataQueryResponse, range: TimeRange): DataQueryResponse {
  const { from, to } = range.raw;
  // In a URL there are texts only.
  const text = (at: typeof from) => (isDateTime(at) ? String(at.valueOf()) : at);
  const period = { ...range, raw: { from: text(from), to: text(to) } };
  const linked = (link: DataLink): DataLink => (link.internal ? { ...link, internal: { ...link.internal, range: period } } : link);
  const data = response.data.map((frame: DataFrame) =>
    frame.fields?.some((f) => f.config?.links)
      ? { ...frame, fields: frame.fields.map((f) => (f.config?.links ? { ...f, config: { ...f.config, links: f.config.links.map(linked) } } : f)) }
      : frame
  );
  return { ...response, data };
}
