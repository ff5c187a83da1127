// Unleash's Node SDK in a process of its own that stays: says when it has rules, then serves until it is ended.
import { createRequire } from 'node:module';

const { url, token, app } = JSON.parse(process.argv[2]);
const { initialize } = createRequire(process.argv[3] + '/')('unleash-client');
const client = initialize({
  url: url + '/api', appName: app, customHeaders: { Authorization: token }, disableMetrics: true,
  experimentalMode: { type: 'streaming' }, storageProvider: { set: async () => {}, get: async () => undefined },
});
client.on('error', (error) => process.stderr.write(`${error}\n`));
client.once('synchronized', () => process.stdout.write('ready\n'));
