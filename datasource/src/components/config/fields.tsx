import { InlineField, InlineSwitch, Input, SecretInput, SecretTextArea } from '@grafana/ui';
import React from 'react';

import { SecretName, Settings } from '../../hooks/useSettings';
import { FlowgaugeOptions } from '../../types';

const labelWidth = 22;
const inputWidth = 44;

interface Words {
  label: string;
  tooltip: string;
  placeholder?: string;
}

type Keys<T> = { [K in keyof FlowgaugeOptions]-?: FlowgaugeOptions[K] extends T | undefined ? K : never }[keyof FlowgaugeOptions];

interface FieldProps<K> {
  settings: Settings;
  name: K;
  words: Words;
  testId: string;
}

export function TextField({ settings, name, words, testId }: FieldProps<Keys<string>>) {
  return (
    <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth} disabled={settings.readOnly}>
      <Input
        id={testId}
        data-testid={testId}
        width={inputWidth}
        value={settings.values[name] ?? ''}
        placeholder={words.placeholder}
        onChange={(e) => settings.set(name, e.currentTarget.value.trim())}
      />
    </InlineField>
  );
}

export function NumberField({ settings, name, words, testId }: FieldProps<Keys<number>>) {
  return (
    <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth} disabled={settings.readOnly}>
      <Input
        id={testId}
        data-testid={testId}
        width={inputWidth}
        type="number"
        min={1}
        value={settings.values[name] ?? ''}
        placeholder={words.placeholder}
        onChange={(e) => settings.set(name, toNumber(e.currentTarget.value))}
      />
    </InlineField>
  );
}

export function SwitchField({ settings, name, words, testId }: FieldProps<Keys<boolean>>) {
  return (
    <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth} disabled={settings.readOnly}>
      <InlineSwitch
        id={testId}
        data-testid={testId}
        value={settings.values[name] === true}
        onChange={(e) => settings.set(name, e.currentTarget.checked)}
      />
    </InlineField>
  );
}

interface SecretProps extends FieldProps<SecretName> {
  multiline?: boolean;
}

export function SecretField({ settings, name, words, testId, multiline }: SecretProps) {
  const common = {
    id: testId,
    'data-testid': testId,
    value: settings.secret(name),
    placeholder: words.placeholder,
    isConfigured: settings.isStored(name),
    disabled: settings.readOnly,
    onReset: () => settings.resetSecret(name),
  };
  return (
    <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth} disabled={settings.readOnly}>
      {multiline ? (
        <SecretTextArea
          {...common}
          rows={6}
          cols={60}
          onChange={(e) => settings.setSecret(name, e.currentTarget.value)}
        />
      ) : (
        <SecretInput
          {...common}
          width={inputWidth}
          autoComplete="new-password"
          onChange={(e) => settings.setSecret(name, e.currentTarget.value)}
        />
      )}
    </InlineField>
  );
}

function toNumber(text: string): number | undefined {
  return text === '' || Number.isNaN(Number(text)) ? undefined : Number(text);
}
