import { InlineField, Input, SecretInput, SecretTextArea, Select } from '@grafana/ui';
import React from 'react';

import { SecretName, Settings } from '../../hooks/useSettings';
import { optionsOf } from '../../query/options';
import { FlowgaugeOptions, Scope, UserId } from '../../types';
import { FieldSwitch } from '../FieldSwitch';

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
      <FieldSwitch
        id={testId}
        data-testid={testId}
        value={settings.values[name] === true}
        onChange={(e) => settings.set(name, e.currentTarget.checked)}
      />
    </InlineField>
  );
}

interface ChoiceProps<T extends string> extends FieldProps<Keys<T>> {
  /** What each choice is called; the first is the default. */
  choices: Record<string, string>;
}

export function ChoiceField({ settings, name, words, testId, choices }: ChoiceProps<Scope | UserId>) {
  const options = optionsOf(choices);
  return (
    <InlineField label={words.label} tooltip={words.tooltip} labelWidth={labelWidth} disabled={settings.readOnly}>
      <div data-testid={testId}>
        <Select
          aria-label={words.label}
          width={inputWidth}
          disabled={settings.readOnly}
          options={options}
          value={settings.values[name] ?? options[0].value}
          onChange={({ value }) => settings.set(name, value as Scope & UserId)}
        />
      </div>
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
