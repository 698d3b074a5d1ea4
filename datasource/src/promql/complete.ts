import { durations, functions, keywords, labels } from './language';
import { Place, placeOf } from './place';

export interface Suggestion {
  label: string;
  kind: 'metric' | 'function' | 'keyword' | 'label' | 'value' | 'duration';
  detail?: string;
  documentation?: string;
  /** With $0 where the cursor goes. */
  insert?: string;
}

/** What the server knows of its series; the datasource is one. */
export interface Series {
  promqlMetrics(): Promise<Array<{ name: string; type: string; help: string }>>;
  getValues(request: { dimension: string }): Promise<string[]>;
}

/** What may go on where a query ends. The server's silence is no reason to offer nothing. */
export async function complete(before: string, series: Series): Promise<Suggestion[]> {
  const place: Place = placeOf(before);
  switch (place.kind) {
    case 'duration':
      return durations.map((label) => ({ label, kind: 'duration' }));
    case 'label':
      return Object.keys(labels).map((label) => ({ label, kind: 'label' }));
    case 'value': {
      const values = labels[place.label] ?? (await series.getValues({ dimension: place.label }).catch(() => []));
      return values.map((label) => ({ label, kind: 'value' }));
    }
    default: {
      const metrics = await series.promqlMetrics().catch(() => []);
      return [
        ...metrics.map(({ name, type, help }): Suggestion => ({ label: name, kind: 'metric', detail: type, documentation: help })),
        ...Object.entries(functions).map(
          ([label, documentation]): Suggestion => ({ label, kind: 'function', documentation, insert: `${label}($0)` })
        ),
        ...keywords.map((label): Suggestion => ({ label, kind: 'keyword' })),
      ];
    }
  }
}
