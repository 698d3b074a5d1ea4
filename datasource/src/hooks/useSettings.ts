import { DataSourcePluginOptionsEditorProps } from '@grafana/data';

import { FlowgaugeOptions, FlowgaugeSecureOptions } from '../types';

export type ConfigProps = DataSourcePluginOptionsEditorProps<FlowgaugeOptions, FlowgaugeSecureOptions>;
export type SecretName = keyof FlowgaugeSecureOptions;

export interface Settings {
  values: FlowgaugeOptions;
  readOnly: boolean;
  set: <K extends keyof FlowgaugeOptions>(name: K, value: FlowgaugeOptions[K]) => void;
  secret: (name: SecretName) => string;
  isStored: (name: SecretName) => boolean;
  setSecret: (name: SecretName, value: string) => void;
  resetSecret: (name: SecretName) => void;
}

/** The datasource's settings, and how to change them one at a time. */
export function useSettings({ options, onOptionsChange }: ConfigProps): Settings {
  const { jsonData, secureJsonData, secureJsonFields } = options;
  return {
    values: jsonData,
    readOnly: options.readOnly === true,
    set: (name, value) => onOptionsChange({ ...options, jsonData: { ...jsonData, [name]: value } }),
    secret: (name) => secureJsonData?.[name] ?? '',
    isStored: (name) => secureJsonFields?.[name] === true,
    setSecret: (name, value) =>
      onOptionsChange({ ...options, secureJsonData: { ...secureJsonData, [name]: value } }),
    resetSecret: (name) =>
      onOptionsChange({
        ...options,
        secureJsonFields: { ...secureJsonFields, [name]: false },
        secureJsonData: { ...secureJsonData, [name]: '' },
      }),
  };
}
