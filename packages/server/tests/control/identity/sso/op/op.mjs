// A certified OpenID provider (npm oidc-provider) for the tests: started with JSON, prints its issuer as JSON.
//
// argv[2]: the folder that holds node_modules; argv[3]: {"port", "clients", "people": {login: {claims}}, "thin"}.
// Its only page is a form that asks who one is; "amr", "acr" of a person are how they then signed in.
import http from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const given = JSON.parse(process.argv[3])
const { Provider } = await import(pathToFileURL(path.join(process.argv[2], 'node_modules/oidc-provider/lib/index.js')))
const server = http.createServer()
await new Promise((resolve) => server.listen(given.port ?? 0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${server.address().port}`
const people = new Map(Object.entries(given.people))

const about = ['sub', 'email', 'email_verified', 'name', 'preferred_username', 'groups', 'hd', 'tid', 'xms_edov', '_claim_names', 'amr']
const provider = new Provider(issuer, {
  clients: given.clients,
  claims: { openid: about, profile: [], email: [], groups: [] },
  scopes: ['openid', 'profile', 'email', 'groups'],
  conformIdTokenClaims: given.thin ?? false,
  pkce: { required: () => true },
  cookies: { keys: ['tests'] },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true, logoutSource: (ctx, form) => { ctx.body = `<!doctype html><title>Sign out</title>${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>` } },
  },
  ttl: { Session: 86400, Grant: 86400, Interaction: 600, AccessToken: 600, IdToken: 600 },
  interactions: { url: (ctx, interaction) => `/who/${interaction.uid}` },
  findAccount: (ctx, login) => people.has(login) && {
    accountId: login,
    claims: () => { const { acr, ...rest } = people.get(login); return { ...rest, sub: rest.sub ?? login } },
  },
})
provider.on('server_error', (ctx, error) => console.error(error))
if (process.env.OP_LOUD) for (const name of ['authorization.error', 'grant.error', 'end_session.error', 'backchannel.error']) provider.on(name, (ctx, error) => console.error(name, error))

const page = (uid) => `<!doctype html><html lang="en"><title>Who are you?</title><h1>Example Identity</h1>
<form method="post" action="/who/${uid}"><label>Login <input name="login" autofocus></label> <button>Sign in</button></form>`

async function form(request) {
  let text = ''
  for await (const part of request) text += part
  return new URLSearchParams(text)
}

async function who(request, response, uid) {
  const details = await provider.interactionDetails(request, response)
  let login = details.session?.accountId
  const result = {}
  if (details.prompt.name === 'login') {
    if (request.method === 'GET') return response.writeHead(200, { 'content-type': 'text/html' }).end(page(uid))
    login = (await form(request)).get('login')
    if (!people.has(login)) return provider.interactionFinished(request, response, { error: 'access_denied' })
    const { amr, acr } = people.get(login)
    result.login = { accountId: login, amr, acr }
  }
  const grant = new provider.Grant({ accountId: login, clientId: details.params.client_id })
  grant.addOIDCScope('openid profile email groups')
  result.consent = { grantId: await grant.save() }
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true })
}

const handle = provider.callback()
server.on('request', (request, response) => {
  const found = /^\/who\/([\w-]+)$/.exec(request.url)
  if (request.url === '/people' && request.method === 'PUT') {
    form(request).then((told) => { people.set(told.get('login'), JSON.parse(told.get('claims'))); response.end() })
  } else if (found) {
    who(request, response, found[1]).catch((error) => { console.error(error); response.writeHead(500).end(String(error)) })
  } else handle(request, response)
})
console.log(JSON.stringify({ issuer }))
