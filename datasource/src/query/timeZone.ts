/**
 * Grafana says "browser" or "utc" or an IANA name; the server knows IANA names
 * only. An empty one is the browser's, as Grafana has it.
 */
export function resolveTimeZone(zone: string | undefined): string {
  switch (zone) {
    case 'utc':
    case 'UTC':
      return 'UTC';
    case undefined:
    case '':
    case 'browser':
      return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
    default:
      return zone;
  }
}

/** All names that the browser knows, for the editor's list. */
export function timeZoneNames(): string[] {
  const intl = Intl as typeof Intl & { supportedValuesOf?: (key: 'timeZone') => string[] };
  return ['UTC', ...(intl.supportedValuesOf?.('timeZone') ?? []).filter((z) => z !== 'UTC')];
}
