import { QueryEditorProps } from '@grafana/data';
import { Alert } from '@grafana/ui';
import React, { useMemo } from 'react';

import type { DataSource } from '../../datasource';
import { useCatalogue } from '../../hooks/useCatalogue';
import { labels } from '../../labels';
import { migrate } from '../../query/migrate';
import { selectors } from '../../selectors';
import { Catalogue, FlowgaugeOptions, FlowgaugeQuery } from '../../types';
import { FilterRows } from './FilterRows';
import { GeneratedRequest } from './GeneratedRequest';
import { KindRow } from './KindRow';
import { LimitField } from './LimitField';
import { MetricsEditor } from './MetricsEditor';

type Props = QueryEditorProps<DataSource, FlowgaugeQuery, FlowgaugeOptions>;

const none: Catalogue = { metrics: [], dimensions: [] };

/** The builder. It works without the catalogue too: names can then be typed. */
export function QueryEditor({ query: stored, datasource, range, onChange, onRunQuery }: Props) {
  const query = useMemo(() => migrate(stored), [stored]);
  const loaded = useCatalogue(datasource);
  const catalogue = loaded.state === 'ready' ? loaded.catalogue : none;
  const update = (changed: FlowgaugeQuery) => {
    onChange(changed);
    onRunQuery();
  };

  return (
    <div data-testid={selectors.query.editor}>
      {loaded.state === 'failed' && (
        <Alert severity="error" title={labels.query.catalogueError} data-testid={selectors.query.error}>
          {loaded.message}
        </Alert>
      )}
      <KindRow query={query} onChange={update} />
      {query.queryType === 'metrics' && <MetricsEditor query={query} catalogue={catalogue} onChange={update} />}
      <FilterRows
        filters={query.filters}
        context={{ datasource, catalogue, metrics: query.queryType === 'metrics' ? query.metrics : [] }}
        range={range}
        onChange={(filters) => update({ ...query, filters })}
      />
      {query.queryType === 'errors' && <LimitField limit={query.limit} onChange={(limit) => update({ ...query, limit })} />}
      <GeneratedRequest query={query} datasource={datasource} />
    </div>
  );
}
