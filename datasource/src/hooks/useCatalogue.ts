import { useEffect, useState } from 'react';

import type { DataSource } from '../datasource';
import { Catalogue } from '../types';
import { errorText } from './errorText';

export type CatalogueState =
  | { state: 'loading' }
  | { state: 'ready'; catalogue: Catalogue }
  | { state: 'failed'; message: string };

/** The metrics and dimensions of the datasource. */
export function useCatalogue(datasource: DataSource): CatalogueState {
  const [state, setState] = useState<CatalogueState>({ state: 'loading' });
  useEffect(() => {
    let current = true;
    datasource.getCatalogue().then(
      (catalogue) => current && setState({ state: 'ready', catalogue }),
      (err: unknown) => current && setState({ state: 'failed', message: errorText(err) })
    );
    return () => {
      current = false;
    };
  }, [datasource]);
  return state;
}
