import { SelectableValue, TimeRange } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';
import { useEffect, useMemo, useRef } from 'react';

import { FilterContext } from '../components/query/rows';
import { labels } from '../labels';
import { NONE, valueOption } from '../query/none';

type Loader = (search: string) => Promise<Array<SelectableValue<string>>>;

const pause = 250;

/**
 * Loads the values of a dimension that contain what was typed, after the
 * dashboard's variables. A key pressed within the pause takes the place of the
 * one before, so that typing a word asks once.
 */
export function useValueLoader({ datasource, catalogue }: FilterContext, dimension: string, range?: TimeRange): Loader {
  const listed = !catalogue.unlisted.includes(dimension);
  const period = useRef(range);
  useEffect(() => {
    period.current = range;
  }, [range]);

  return useMemo(() => {
    let latest = 0;
    return async (search: string) => {
      const mine = ++latest;
      await new Promise((resolve) => setTimeout(resolve, search === '' ? 0 : pause));
      if (mine !== latest || dimension === '') {
        return [];
      }
      const values = listed ? await datasource.getValues({ dimension, search, limit: 100 }, period.current).catch(() => []) : [];
      return [...variables(search), ...none(search), ...values.filter((v) => v !== '')].map(valueOption);
    };
  }, [datasource, dimension, listed]);
}

function none(search: string): string[] {
  return labels.none.includes(search.toLowerCase()) ? [NONE] : [];
}

function variables(search: string): string[] {
  const names = getTemplateSrv()
    .getVariables()
    .map((v) => `$${v.name}`);
  return names.filter((n) => n.toLowerCase().includes(search.toLowerCase()));
}
