// Unleash's Node SDK as a contract program (`ensign_testkit.programs` says what it answers).
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const { url, token, app, flags, contexts, watch, mode } = JSON.parse(process.argv[3]);
const { initialize } = createRequire(process.argv[2] + '/')('unleash-client');

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const client = initialize({
  url, appName: app, customHeaders: { Authorization: token },
  refreshInterval: 300, metricsInterval: 1000, metricsJitter: 0, disableAutoStart: false,
  experimentalMode: { polling: { type: 'polling', format: 'full' }, delta: { type: 'polling', format: 'delta' },
    streaming: { type: 'streaming' } }[mode],
  storageProvider: { set: async () => {}, get: async () => undefined },
});
client.on('error', (error) => process.stderr.write(`${error}\n`));
client.on('warn', (warning) => process.stderr.write(`${warning}\n`));
const answer = (flag, context) => {
  const variant = client.getVariant(flag, context);
  return [client.isEnabled(flag, context), variant.name, variant.payload ?? null];
};
await Promise.race([
  new Promise((done) => client.once('synchronized', done)),
  new Promise((done) => setTimeout(done, 10_000)),
]);
client.impactMetrics.defineCounter('sales', 'Sales');
client.impactMetrics.incrementCounter('sales', 3);
client.impactMetrics.defineGauge('stock', 'Stock');
client.impactMetrics.updateGauge('stock', 7);
client.impactMetrics.defineHistogram('wait', 'Seconds');
client.impactMetrics.observeHistogram('wait', 0.3);
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'watch') say(client.isEnabled(watch, contexts[0]));
  if (line === 'answers') say(flags.map((flag) => contexts.map((context) => answer(flag, context))));
  if (line === 'end') {
    await client.flushMetrics();
    client.destroy();
    say('ended');
    process.exit(0);
  }
}
