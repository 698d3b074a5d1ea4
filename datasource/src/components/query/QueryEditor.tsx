import { PanelData, QueryEditorProps } from '@grafana/data';
import { Alert } from '@grafana/ui';
import React, { useEffect, useMemo, useRef } from 'react';

import type { DataSource } from '../../datasource';
import { useCatalogue } from '../../hooks/useCatalogue';
import { labels } from '../../labels';
import { migrate } from '../../query/migrate';
import { selectors } from '../../selectors';
import { FlowgaugeOptions, FlowgaugeQuery, isMetrics, isText, noCatalogue } from '../../types';
import { AsOfField } from './AsOfField';
import { FilterRows } from './FilterRows';
import { GeneratedRequest } from './GeneratedRequest';
import { KindEditor } from './KindEditor';
import { KindRow } from './KindRow';
import { MetricsEditor } from './MetricsEditor';
import { TextEditor } from './TextEditor';

type Props = QueryEditorProps<DataSource, FlowgaugeQuery, FlowgaugeOptions>;

/** The builder. It works without the catalogue too: names can then be typed. */
export function QueryEditor({ query: stored, datasource, data, range, onChange, onRunQuery }: Props) {
  const query = useMemo(() => migrate(stored), [stored]);
  const loaded = useCatalogue(datasource);
  const catalogue = loaded.state === 'ready' ? loaded.catalogue : noCatalogue;
  useFirstRun(data !== undefined && asksOthers(data, datasource), onRunQuery);
  const update = (changed: FlowgaugeQuery) => {
    onChange(changed);
    onRunQuery();
  };

  const kind = catalogue.kinds.find((k) => k.kind === query.queryType);
  const uses = (member: string) => isMetrics(query) || kind === undefined || kind.uses.includes(member);
  const context = { datasource, catalogue, metrics: query.metrics ?? [] };

  return (
    <div data-testid={selectors.query.editor}>
      {loaded.state === 'failed' && (
        <Alert severity="error" title={labels.query.catalogueError} data-testid={selectors.query.error}>
          {loaded.message}
        </Alert>
      )}
      <KindRow query={query} kinds={catalogue.kinds} onChange={update} />
      {isMetrics(query) && <MetricsEditor query={query} catalogue={catalogue} onChange={update} />}
      {isText(query) && <TextEditor query={query} datasource={datasource} onChange={update} />}
      {!isMetrics(query) && !isText(query) && kind && (
        <KindEditor query={query} kind={kind} context={context} range={range} onChange={update} />
      )}
      {uses('filters') && (
        <FilterRows
          filters={query.filters}
          context={context}
          range={range}
          onChange={(filters) => update({ ...query, filters })}
        />
      )}
      {uses('asOf') && <AsOfField asOf={query.asOf} onChange={(asOf) => update({ ...query, asOf })} />}
      <GeneratedRequest query={query} datasource={datasource} />
    </div>
  );
}

/** Whether what a panel shows comes from elsewhere. */
function asksOthers({ request }: PanelData, { type }: DataSource): boolean {
  return request !== undefined && !request.targets.some((t) => t.datasource?.type === type);
}

/** Grafana 10 does not run a panel whose datasource is changed: it would go on showing the other's data. */
function useFirstRun(wanted: boolean, run: () => void) {
  const first = useRef(wanted);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      run();
    }
  }, [run]);
}
