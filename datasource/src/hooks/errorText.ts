interface MaybeFetchError {
  message?: unknown;
  statusText?: unknown;
  data?: { detail?: unknown; title?: unknown; message?: unknown };
}

/** What a failed request says, the server's own words first. */
export function errorText(err: unknown): string {
  const e = (typeof err === 'object' && err !== null ? err : { message: err }) as MaybeFetchError;
  const said = [e.data?.detail, e.data?.title, e.data?.message, e.message, e.statusText];
  return said.find((s): s is string => typeof s === 'string' && s !== '') ?? 'Unknown error';
}
