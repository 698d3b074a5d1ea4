import { Collapse } from '@grafana/ui';
import React, { useState } from 'react';

import type { DataSource } from '../../datasource';
import { errorText } from '../../hooks/errorText';
import { labels } from '../../labels';
import { generatedRequest } from '../../query/request';
import { selectors } from '../../selectors';
import { FlowgaugeQuery } from '../../types';

interface Props {
  query: FlowgaugeQuery;
  datasource: DataSource;
}

/** What the query becomes once its variables are filled in. */
export function GeneratedRequest({ query, datasource }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <Collapse label={labels.query.request} isOpen={open} onToggle={setOpen} collapsible>
      {open && <pre data-testid={selectors.query.request}>{textOf(query, datasource)}</pre>}
    </Collapse>
  );
}

function textOf(query: FlowgaugeQuery, datasource: DataSource): string {
  try {
    return generatedRequest(datasource.applyTemplateVariables(query, {}));
  } catch (err) {
    return errorText(err);
  }
}
