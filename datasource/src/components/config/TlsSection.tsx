import { FieldSet } from '@grafana/ui';
import React from 'react';

import { Settings } from '../../hooks/useSettings';
import { labels } from '../../labels';
import { selectors } from '../../selectors';
import { SecretField, SwitchField, TextField } from './fields';

const words = labels.config;
const ids = selectors.config;

/** How the connection is encrypted; fields show once what they belong to is on. */
export function TlsSection({ settings }: { settings: Settings }) {
  const { secure, tlsSkipVerify, tlsAuthWithCACert, tlsAuth } = settings.values;
  return (
    <FieldSet label={words.tls}>
      <SwitchField settings={settings} name="secure" words={words.secure} testId={ids.secure} />
      {secure && (
        <>
          <SwitchField
            settings={settings}
            name="tlsSkipVerify"
            words={words.tlsSkipVerify}
            testId={ids.tlsSkipVerify}
          />
          {!tlsSkipVerify && (
            <TextField settings={settings} name="serverName" words={words.serverName} testId={ids.serverName} />
          )}
          <SwitchField
            settings={settings}
            name="tlsAuthWithCACert"
            words={words.tlsAuthWithCACert}
            testId={ids.tlsAuthWithCACert}
          />
          {tlsAuthWithCACert && (
            <SecretField settings={settings} name="tlsCACert" words={words.tlsCACert} testId={ids.tlsCACert} multiline />
          )}
          <SwitchField settings={settings} name="tlsAuth" words={words.tlsAuth} testId={ids.tlsAuth} />
          {tlsAuth && (
            <>
              <SecretField
                settings={settings}
                name="tlsClientCert"
                words={words.tlsClientCert}
                testId={ids.tlsClientCert}
                multiline
              />
              <SecretField
                settings={settings}
                name="tlsClientKey"
                words={words.tlsClientKey}
                testId={ids.tlsClientKey}
                multiline
              />
            </>
          )}
        </>
      )}
    </FieldSet>
  );
}
