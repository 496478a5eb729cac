// openid-client against the development server: discovery, code with PKCE, refresh, introspection and
// private_key_jwt. Arguments: FHIR root, PEM file (PKCS#8) with the key of `backend`.
import assert from 'node:assert';
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

// The folder of modules is named, since it lies outside the repository's own folders.
const folder = path.join(process.env.KANTELE_TEST_NODE_MODULES, 'openid-client');
const client = await import(pathToFileURL(path.join(folder, 'build', 'index.js')));
const [base, keyFile] = process.argv.slice(2);
const CALLBACK = 'http://localhost:8765/callback';
const insecure = { execute: [client.allowInsecureRequests] };

/** Sends the form of `user`, as a person would, and gives the address that they are sent to. */
async function logIn(url, user) {
  const page = await fetch(url, { redirect: 'manual' });
  const text = await page.text();
  assert.equal(page.status, 200, text);
  const forms = text.match(/<form.*?<\/form>/gs);
  const form = forms.find((it) => it.includes(`name="user" value="${user}"`));
  const fields = new URLSearchParams({ decision: 'allow' });
  for (const [, name, value] of form.matchAll(/<input type="hidden" name="(.*?)" value="(.*?)">/g)) {
    fields.set(name, value.replaceAll('&quot;', '"').replaceAll('&amp;', '&'));
  }
  const action = form.match(/action="(.*?)"/)[1];
  const reply = await fetch(new URL(action, url), { method: 'POST', body: fields, redirect: 'manual' });
  assert.equal(reply.status, 303, await reply.text());
  return new URL(reply.headers.get('location'));
}

async function get(token, where) {
  return fetch(`${base}/${where}`, { headers: { authorization: `Bearer ${token}` } });
}

const smart = await (await fetch(`${base}/.well-known/smart-configuration`)).json();
const issuer = new URL(smart.issuer);
const app = await client.discovery(issuer, 'app', undefined, client.None(), insecure);
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
const url = client.buildAuthorizationUrl(app, {
  redirect_uri: CALLBACK,
  scope: 'openid fhirUser offline_access launch/patient patient/*.rs',
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
  aud: base,
});
const answer = await logIn(url, 'aava');
const tokens = await client.authorizationCodeGrant(app, answer, {
  pkceCodeVerifier,
  expectedState,
  expectedNonce,
});
assert.equal(tokens.claims().fhirUser, `${base}/Patient/aava`);
assert.equal(tokens.patient, 'aava');
assert.equal((await get(tokens.access_token, 'Patient/aava')).status, 200);
assert.equal((await get(tokens.access_token, 'Patient/eino')).status, 404);
const found = await (await get(tokens.access_token, 'Observation')).json();
assert.deepEqual(found.entry.map((entry) => entry.resource.id), ['of-aava']);

const renewed = await client.refreshTokenGrant(app, tokens.refresh_token);
assert.notEqual(renewed.refresh_token, tokens.refresh_token);
assert.equal((await get(renewed.access_token, 'Patient/aava')).status, 200);
await assert.rejects(client.refreshTokenGrant(app, tokens.refresh_token), { error: 'invalid_grant' });

const secret = client.ClientSecretBasic('not so: secret+/ä');
const confidential = await client.discovery(issuer, 'confidential', undefined, secret, insecure);
const told = await client.tokenIntrospection(confidential, renewed.access_token);
assert.equal(told.active, false, 'the login is over');

const pem = createPrivateKey(readFileSync(keyFile));
const pkcs8 = pem.export({ type: 'pkcs8', format: 'der' });
const algorithm = { name: 'ECDSA', namedCurve: 'P-384' };
const key = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
const proof = client.PrivateKeyJwt({ key, kid: 'one' });
const backend = await client.discovery(issuer, 'backend', undefined, proof, insecure);
const own = await client.clientCredentialsGrant(backend, { scope: 'system/*.rs' });
assert.equal(own.scope, 'system/*.rs');
assert.equal((await get(own.access_token, 'Patient/eino')).status, 200);
const live = await client.tokenIntrospection(backend, own.access_token);
assert.equal(live.active, true);
console.log('done');
