// The page of the contract program for Unleash's React SDK: what its hooks say, rendered, and read back.
import { FlagProvider, useFlag, useFlagsStatus, useUnleashClient, useUnleashContext, useVariant } from '@unleash/proxy-client-react';
import { createElement, useEffect } from 'react';
import { createRoot } from 'react-dom/client';

const { url, token, app, flags, contexts, watch } = window.given;
const config = {
  url, clientKey: token, appName: app, refreshInterval: 1, metricsInterval: 1, metricsIntervalInitial: 1,
  context: contexts[0],
};
const rendered = { flags: {}, client: null, update: null, status: {} };
const One = ({ name }) => {
  const on = useFlag(name);
  const variant = useVariant(name);
  useEffect(() => { rendered.flags[name] = [on, variant.name, variant.payload ?? null]; });
  return createElement('p', null, `${name}: ${on}`);
};
const All = () => {
  rendered.client = useUnleashClient();
  rendered.update = useUnleashContext();
  rendered.status = useFlagsStatus();
  return createElement('main', null, [watch, ...flags].map((name) => createElement(One, { key: name, name })));
};
createRoot(document.body.appendChild(document.createElement('div'))).render(
  createElement(FlagProvider, { config }, createElement(All)),
);
const frames = async (number) => { for (let n = 0; n < number; n += 1) await new Promise(requestAnimationFrame); };
window.ready = async () => {
  const deadline = Date.now() + 10_000;
  while (!rendered.status.flagsReady && Date.now() < deadline) await frames(3);
  await frames(3);
  return 'ready';
};
window.watch = async () => { await frames(3); return rendered.flags[watch][0]; };
window.answers = async () => {
  const columns = [];
  rendered.client.stop(); // a fetch of its timer would abort one of ours, whose toggles then stay away
  for (const context of contexts) {
    await rendered.update(context);
    await frames(5);
    columns.push(flags.map((flag) => rendered.flags[flag]));
  }
  await rendered.update(contexts[0]);
  await rendered.client.start();
  await frames(5);
  return flags.map((_, row) => columns.map((column) => column[row]));
};
window.end = async () => { await rendered.client.sendMetrics(); rendered.client.stop(); return 'ended'; };
