// OpenFeature's web SDK with the OFREP web provider, for a page: start, answers for contexts, and what was said meanwhile.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const seen = { requests: [], changes: [], troubles: [] };
const ask = { boolean: 'getBooleanDetails', string: 'getStringDetails', integer: 'getNumberDetails',
  float: 'getNumberDetails', object: 'getObjectDetails' };
let given;

async function start(options) {
  given = options;
  const fetchImplementation = async (request, init) => {
    const response = await fetch(request, init);
    const sent = request.headers.get('if-none-match');
    seen.requests.push({ url: request.url, status: response.status, sent, etag: response.headers.get('etag') });
    return response;
  };
  const provider = new OFREPWebProvider({ baseUrl: given.url, headers: [['Authorization', `Bearer ${given.token}`]],
    fetchImplementation, ...given.options });
  OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, (event) => seen.changes.push(event.flagsChanged ?? []));
  for (const name of [ProviderEvents.Stale, ProviderEvents.Error]) {
    OpenFeature.addHandler(name, (event) => seen.troubles.push(event?.message ?? name));
  }
  await OpenFeature.setContext(given.contexts[0]);
  await OpenFeature.setProviderAndWait(provider);
}

function answer([key, kind, fallback]) {
  const details = OpenFeature.getClient()[ask[kind]](key, fallback);
  return { value: details.value, variant: details.variant ?? null, reason: details.reason, error: details.errorCode ?? null };
}

async function answers() {
  const found = [];
  for (const context of given.contexts) {
    await OpenFeature.setContext(context);
    found.push(given.flags.map(answer));
  }
  return given.flags.map((_, flag) => found.map((round) => round[flag]));
}

window.contract = { start, answers, answer, seen, stop: () => OpenFeature.close() };
