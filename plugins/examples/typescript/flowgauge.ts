// What a plugin for Flowgauge needs besides its work. It speaks go-plugin's protocol, which is
// gRPC and one line on standard output; docs/plugins.md says what Flowgauge expects.
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { generate } from 'selfsigned';
import type { ProtoGrpcType as EnricherProto } from './generated/enricher.js';
import type { Change } from './generated/flowgauge/plugin/v1/Change.js';
import type { EnricherHandlers } from './generated/flowgauge/plugin/v1/Enricher.js';
import type { Event__Output as Event } from './generated/flowgauge/plugin/v1/Event.js';
import type { PluginHandlers } from './generated/flowgauge/plugin/v1/Plugin.js';
import type { ProtoGrpcType as GoPluginProto } from './generated/go_plugin.js';
import type { HealthHandlers } from './generated/grpc/health/v1/Health.js';
import type { ProtoGrpcType as HealthProto } from './generated/grpc_health.js';
import type { GRPCControllerHandlers } from './generated/plugin/GRPCController.js';
import type { ProtoGrpcType as PluginProto } from './generated/plugin.js';

export type { Change, Event };

export interface Enricher {
  /** That of the manifest. */
  id: string;
  /** That of the manifest. */
  version: string;
  /**
   * Is told plugins.use[].settings of Flowgauge's configuration, before anything else. What it
   * throws keeps the plugin from starting, and is shown to the operator.
   */
  configure?(settings: Record<string, unknown>): void;
  /**
   * Says what becomes of events: at most one change for each. What it says of an event must depend
   * on that event and on the settings alone.
   */
  enrich(events: Event[]): Change[] | Promise<Change[]>;
}

const contract = 1;
const cookie = '3f6d0b0e5b2f4c1d9a57';
const largestMessage = 64 << 20; // that Flowgauge sends and takes

const proto = grpc.loadPackageDefinition(
  loadSync(
    ['plugins/contract/v1/plugin.proto', 'plugins/contract/v1/enricher.proto', 'grpc_health.proto', 'go_plugin.proto'],
    // Fields get the names that docs/events.md has. One that an event does not have is absent: with
    // defaults it could not be told from an empty one. The generated types are made with the same.
    { includeDirs: [join(import.meta.dirname, 'proto')], enums: String, longs: Number, oneofs: true, arrays: true },
  ),
) as unknown as PluginProto & EnricherProto & HealthProto & GoPluginProto;

/** Serves a plugin until Flowgauge ends it. */
export async function serve({ id, version, configure, enrich }: Enricher): Promise<void> {
  const host = process.ppid;
  const hostCert = process.env.PLUGIN_CLIENT_CERT;
  if (process.env.FLOWGAUGE_PLUGIN !== cookie || !hostCert) {
    console.error('This is a plugin. Flowgauge starts it: see flowgauge plugin test.');
    process.exit(1);
  }
  const server = new grpc.Server({
    'grpc.max_receive_message_length': largestMessage,
    'grpc.max_send_message_length': largestMessage,
  });
  const plugin: PluginHandlers = {
    Configure: answer(grpc.status.INVALID_ARGUMENT, ({ settings }) => {
      configure?.(JSON.parse(settings || '{}'));
      return { id, version, extends: ['enricher'] };
    }),
  };
  server.addService(proto.flowgauge.plugin.v1.Plugin.service, plugin);
  const enricher: EnricherHandlers = {
    Enrich: answer(grpc.status.INTERNAL, async ({ events }) => ({ changes: await enrich(events) })),
  };
  server.addService(proto.flowgauge.plugin.v1.Enricher.service, enricher);
  const health: HealthHandlers = { Check: answer(grpc.status.INTERNAL, () => ({ status: 'SERVING' })) };
  server.addService(proto.grpc.health.v1.Health.service, health);
  const controller: GRPCControllerHandlers = {
    // Without it Flowgauge waits two seconds, and then kills the process.
    Shutdown: (_, callback) => {
      callback(null, {});
      server.tryShutdown(() => process.exit(0));
    },
  };
  server.addService(proto.plugin.GRPCController.service, controller);

  const { cert, private: key } = await certificate();
  const credentials = grpc.ServerCredentials.createSsl(
    Buffer.from(hostCert),
    [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }],
    true, // nobody but the host
  );
  const socket = join(tmpdir(), 'plugin.sock'); // the folder is this process's own
  await new Promise<void>((done, failed) => {
    server.bindAsync(`unix:${socket}`, credentials, (err) => (err ? failed(err) : done()));
  });
  const der = new X509Certificate(cert).raw.toString('base64').replace(/=+$/, '');
  // It is the only line that Flowgauge reads here: standard error is what goes into its log. When
  // nobody reads it any more the process ends with an error, which console.log would hide.
  process.stdout.write(`1|${contract}|unix|${socket}|grpc|${der}\n`);

  // A host that was killed has told nobody to end.
  setInterval(() => process.ppid === host || process.exit(0), 1000);
}

/** Makes a handler of gRPC's of a function. What it throws is the call's error. */
function answer<Request, Response>(
  code: grpc.status,
  work: (request: Request) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return async ({ request }, callback) => {
    try {
      callback(null, await work(request));
    } catch (err) {
      callback({ code, details: err instanceof Error ? err.message : String(err) });
    }
  };
}

/** A certificate for this process. The host knows it by what the handshake says. */
function certificate() {
  const notAfterDate = new Date();
  notAfterDate.setFullYear(notAfterDate.getFullYear() + 30); // longer than any process
  return generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', algorithm: 'sha256', notAfterDate });
}
