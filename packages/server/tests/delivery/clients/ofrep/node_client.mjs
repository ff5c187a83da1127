// OpenFeature's server SDK for Node with the OFREP provider in a process of its own: every flag for every context, twice.
import { createRequire } from 'node:module';

const { url, token, flags, contexts, watch } = JSON.parse(process.argv[2]);
const need = createRequire(process.argv[3] + '/');
const { OpenFeature } = need('@openfeature/server-sdk');
const { OFREPProvider } = need('@openfeature/ofrep-provider');

await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: url, headers: [['Authorization', `Bearer ${token}`]] }));
const client = OpenFeature.getClient();
const ask = { boolean: 'getBooleanDetails', string: 'getStringDetails', integer: 'getNumberDetails',
  float: 'getNumberDetails', object: 'getObjectDetails' };
const answer = async ([key, kind, fallback], context) => {
  const details = await client[ask[kind]](key, fallback, context);
  return { value: details.value, variant: details.variant ?? null, reason: details.reason, error: details.errorCode ?? null };
};
const answers = () => Promise.all(flags.map((flag) => Promise.all(contexts.map((context) => answer(flag, context)))));

process.stdout.write(JSON.stringify(await answers()) + '\n');
const deadline = Date.now() + 30_000;
while (await client.getBooleanValue(watch, true) && Date.now() < deadline) {
  await new Promise((done) => setTimeout(done, 50));
}
process.stdout.write(JSON.stringify(await answers()) + '\n');
