// The page of the contract program for Unleash's JavaScript SDK; `browser_client.py` opens it and asks.
import { UnleashClient } from 'unleash-proxy-client';

const { url, token, app, mode, flags, contexts, watch } = window.given;
const client = new UnleashClient({
  url, clientKey: token, appName: app, refreshInterval: 1, metricsInterval: 1, metricsIntervalInitial: 1,
  usePOSTrequests: mode === 'POST', context: contexts[0],
});
const settled = new Promise((done) => { client.on('ready', done); setTimeout(done, 10_000); });
client.start().catch(() => {});
const answer = (flag) => {
  const variant = client.getVariant(flag);
  return [client.isEnabled(flag), variant.name, variant.payload ?? null];
};
window.ready = async () => { await settled; return 'ready'; };
window.watch = async () => client.isEnabled(watch);
window.answers = async () => {
  const columns = [];
  client.stop(); // a fetch of its timer would abort one of ours, whose toggles then stay away
  for (const context of contexts) {
    await client.updateContext(context);
    columns.push(flags.map(answer));
  }
  await client.updateContext(contexts[0]);
  await client.start();
  return flags.map((_, row) => columns.map((column) => column[row]));
};
window.end = async () => { await client.sendMetrics(); client.stop(); return 'ended'; };
