// Unleash's Next.js SDK on the server, as a contract program: definitions are fetched, flags evaluated, counts sent.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const { url, token, app, flags, contexts, watch } = JSON.parse(process.argv[3]);
process.env.UNLEASH_SERVER_API_URL = url;
process.env.UNLEASH_SERVER_API_TOKEN = token;
process.env.UNLEASH_APP_NAME = app;
const { getDefinitions, evaluateFlags, flagsClient } = createRequire(process.argv[2] + '/')('@unleash/nextjs');

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
// A page is rendered for one person: definitions from the server or its 304, toggles of that person, a client on them.
const rendered = async (context) => flagsClient(evaluateFlags(await getDefinitions(), context).toggles);
const on = async (flag, context) => {
  try {
    return (await rendered(context)).isEnabled(flag);
  } catch (error) {
    process.stderr.write(`${error}\n`);
    return false;
  }
};
const answers = async () => {
  const columns = [];
  for (const context of contexts) {
    const client = await rendered(context);
    columns.push(flags.map((flag) => {
      const variant = client.getVariant(flag);
      return [client.isEnabled(flag), variant.name, variant.payload ?? null];
    }));
    await client.sendMetrics();
  }
  return flags.map((_, row) => columns.map((column) => column[row]));
};
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'watch') say(await on(watch, contexts[0]));
  if (line === 'answers') say(await answers());
  if (line === 'end') {
    say('ended');
    process.exit(0);
  }
}
