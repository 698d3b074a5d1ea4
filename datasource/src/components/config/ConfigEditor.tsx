import { FieldSet } from '@grafana/ui';
import React from 'react';

import { ConfigProps, useSettings } from '../../hooks/useSettings';
import { labels } from '../../labels';
import { selectors } from '../../selectors';
import { ChoiceField, NumberField, SecretField, SwitchField, TextField } from './fields';
import { TlsSection } from './TlsSection';

const words = labels.config;
const ids = selectors.config;

export function ConfigEditor(props: ConfigProps) {
  const settings = useSettings(props);
  return (
    <>
      <FieldSet label={words.server}>
        <TextField settings={settings} name="host" words={words.host} testId={ids.host} />
        <NumberField settings={settings} name="port" words={words.port} testId={ids.port} />
        <TextField settings={settings} name="database" words={words.database} testId={ids.database} />
      </FieldSet>
      <FieldSet label={words.credentials}>
        <TextField settings={settings} name="username" words={words.username} testId={ids.username} />
        <SecretField settings={settings} name="password" words={words.password} testId={ids.password} />
      </FieldSet>
      <TlsSection settings={settings} />
      <FieldSet label={words.data}>
        <TextField settings={settings} name="tenant" words={words.tenant} testId={ids.tenant} />
        <NumberField settings={settings} name="timeout" words={words.timeout} testId={ids.timeout} />
        <NumberField settings={settings} name="maxConns" words={words.maxConns} testId={ids.maxConns} />
        <SwitchField settings={settings} name="dashboardLinks" words={words.dashboardLinks} testId={ids.dashboardLinks} />
      </FieldSet>
      <FieldSet label={words.access}>
        <ChoiceField settings={settings} name="userId" words={words.userId} testId={ids.userId} choices={words.userIds} />
        <TextField settings={settings} name="identityKeysUrl" words={words.identityKeysUrl} testId={ids.identityKeysUrl} />
        <ChoiceField settings={settings} name="adminScope" words={words.adminScope} testId={ids.adminScope} choices={words.scopes} />
        <ChoiceField settings={settings} name="editorScope" words={words.editorScope} testId={ids.editorScope} choices={words.scopes} />
        <ChoiceField settings={settings} name="viewerScope" words={words.viewerScope} testId={ids.viewerScope} choices={words.scopes} />
        <ChoiceField settings={settings} name="alertScope" words={words.alertScope} testId={ids.alertScope} choices={words.alertScopes} />
        <SecretField settings={settings} name="pseudonymKey" words={words.pseudonymKey} testId={ids.pseudonymKey} />
        <SwitchField settings={settings} name="auditRequired" words={words.auditRequired} testId={ids.auditRequired} />
      </FieldSet>
      <FieldSet label={words.plugins}>
        <TextField settings={settings} name="serverUrl" words={words.serverUrl} testId={ids.serverUrl} />
        <SecretField settings={settings} name="serverKey" words={words.serverKey} testId={ids.serverKey} />
      </FieldSet>
      <FieldSet label={words.sql}>
        <TextField settings={settings} name="sqlUsername" words={words.sqlUsername} testId={ids.sqlUsername} />
        <SecretField settings={settings} name="sqlPassword" words={words.sqlPassword} testId={ids.sqlPassword} />
      </FieldSet>
    </>
  );
}
