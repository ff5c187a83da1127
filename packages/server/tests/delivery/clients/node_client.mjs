// Unleash's Node SDK in a process of its own: answers for every flag and context, again after a change, sends counts.
import { createRequire } from 'node:module';

const { url, token, flags, contexts, watch, mode } = JSON.parse(process.argv[2]);
const { initialize } = createRequire(process.argv[3] + '/')('unleash-client');

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const client = initialize({
  url, appName: 'node-contract', customHeaders: { Authorization: token },
  refreshInterval: 300, metricsInterval: 600_000, metricsJitter: 0, disableAutoStart: false,
  experimentalMode: { polling: { type: 'polling', format: 'full' }, delta: { type: 'polling', format: 'delta' },
    streaming: { type: 'streaming' } }[mode],
  storageProvider: { set: async () => {}, get: async () => undefined },
});
client.on('error', (error) => process.stderr.write(`${error}\n`));
client.on('warn', (warning) => process.stderr.write(`${warning}\n`));
const answers = () => flags.map((flag) => contexts.map((context) => {
  const variant = client.getVariant(flag, context);
  return [client.isEnabled(flag, context), variant.name, variant.payload ?? null];
}));
client.once('synchronized', () => {
  say(answers());
  const timer = setInterval(async () => {
    if (client.isEnabled(watch)) return;
    clearInterval(timer);
    say(answers());
    await client.flushMetrics();
    client.destroy();
    say('changed');
  }, 50);
});
