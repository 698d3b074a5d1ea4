import { InlineSwitch } from '@grafana/ui';
import React, { ComponentProps } from 'react';

type Props = Omit<ComponentProps<typeof InlineSwitch>, 'label'>;

/** A switch that its field names. Without a label of its own Grafana 10 adds the name "Toggle switch" to each. */
export function FieldSwitch(props: Props) {
  return <InlineSwitch {...props} label="" />;
}
