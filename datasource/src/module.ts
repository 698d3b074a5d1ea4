import { DataSourcePlugin } from '@grafana/data';

import { ConfigEditor } from './components/config/ConfigEditor';
import { QueryEditor } from './components/query/QueryEditor';
import { DataSource } from './datasource';
import { FlowgaugeOptions, FlowgaugeQuery, FlowgaugeSecureOptions } from './types';

export const plugin = new DataSourcePlugin<DataSource, FlowgaugeQuery, FlowgaugeOptions, FlowgaugeSecureOptions>(
  DataSource
)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor);
