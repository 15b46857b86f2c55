// Microsoft Graph JS SDK against the simulator, as a new user would write it.
// env: GRAPH_BASE AUTHORITY TENANT CLIENT_ID CLIENT_SECRET CA_FILE USER_ID
// optional: CLIENT_CERT_FILE (PEM with key+certificate) uses ClientCertificateCredential instead of the secret.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';

const need = (n) => process.env[n] || (console.error(`FAILED missing env ${n}`), process.exit(2));
const GRAPH_BASE = need('GRAPH_BASE').replace(/\/+$/, ''), AUTHORITY = need('AUTHORITY').replace(/\/+$/, '');
const TENANT = need('TENANT'), CLIENT_ID = need('CLIENT_ID'), CA_FILE = need('CA_FILE'), USER_ID = need('USER_ID');
// Node reads NODE_EXTRA_CA_CERTS only at start, so start again with it set.
if (process.env.NODE_EXTRA_CA_CERTS !== CA_FILE) {
  const r = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], { stdio: 'inherit', env: { ...process.env, NODE_EXTRA_CA_CERTS: CA_FILE } });
  process.exit(r.status ?? 1);
}
const { ClientSecretCredential, ClientCertificateCredential } = await import('@azure/identity');
const { Client, PageIterator, BatchRequestContent, BatchResponseContent, OneDriveLargeFileUploadTask, FileUpload, ResponseType } =
  await import('@microsoft/microsoft-graph-client');
const { TokenCredentialAuthenticationProvider } =
  await import('@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js');

const identityOptions = { authorityHost: AUTHORITY, disableInstanceDiscovery: true };
const credential = process.env.CLIENT_CERT_FILE
  ? new ClientCertificateCredential(TENANT, CLIENT_ID, { certificatePath: process.env.CLIENT_CERT_FILE }, identityOptions)
  : new ClientSecretCredential(TENANT, CLIENT_ID, need('CLIENT_SECRET'), identityOptions);
const client = Client.initWithMiddleware({
  baseUrl: GRAPH_BASE, // no version, no path: the client adds /v1.0
  customHosts: new Set([new URL(GRAPH_BASE).hostname]), // hostname WITHOUT port
  authProvider: new TokenCredentialAuthenticationProvider(credential, { scopes: ['https://graph.microsoft.com/.default'] }),
});
const user = `/users/${encodeURIComponent(USER_ID)}`;
const step = async (name, fn) => {
  try { const extra = await fn(); console.log(`ok ${name}${extra ? ' ' + extra : ''}`); }
  catch (e) { console.error(`FAILED ${name}`, e, e?.body ?? ''); process.exit(1); }
};
async function delta(path, { headers = {} } = {}) { // first round to the deltaLink, then one more round on it
  const ids = []; let deltaLink, pages = 0;
  let page = await client.api(path).headers(headers).get();
  for (;;) {
    assert.ok(Array.isArray(page.value), 'value is an array');
    assert.ok(++pages < 10000, 'endless nextLink');
    ids.push(...page.value.map((v) => (assert.ok(v.id, 'id'), v.id)));
    assert.ok(!(page['@odata.nextLink'] && page['@odata.deltaLink']), 'nextLink and deltaLink together');
    if (page['@odata.deltaLink']) { deltaLink = page['@odata.deltaLink']; break; }
    assert.ok(page['@odata.nextLink'], 'neither nextLink nor deltaLink');
    page = await client.api(page['@odata.nextLink']).headers(headers).get();
  }
  assert.equal(new URL(deltaLink).host, new URL(GRAPH_BASE).host, 'deltaLink points to another host');
  const again = await client.api(deltaLink).headers(headers).get();
  assert.ok(Array.isArray(again.value) && (again['@odata.deltaLink'] || again['@odata.nextLink']), 'second round');
  return { ids, pages, again: again.value.length };
}

await step('list-users', async () => {
  const r = await client.api('/users').select('id,displayName,userPrincipalName').get();
  assert.ok(r.value.length > 0 && r.value[0].id);
  return `${r.value.length} on page 1`;
});
await step('messages-paged', async () => {
  const first = await client.api(`${user}/messages`).select('id,subject').top(3).get();
  assert.ok(first.value.length <= 3, '$top ignored');
  const seen = new Set(); let n = 0;
  const it = new PageIterator(client, first, (m) => { n++; seen.add(m.id); return true; });
  await it.iterate();
  assert.ok(it.isComplete()); assert.equal(seen.size, n, 'message repeated across pages');
  return `${n} messages`;
});
await step('message-delta', async () => {
  const d = await delta(`${user}/mailFolders/inbox/messages/delta`, { headers: { Prefer: 'odata.maxpagesize=2' } });
  return `${d.ids.length} in ${d.pages} pages, then ${d.again}`;
});
await step('batch-of-3', async () => {
  const steps = [user, `${user}/messages?$top=1`, `${user}/drive`].map((u, i) => ({ id: String(i + 1), request: new Request(`${GRAPH_BASE}/v1.0${u}`, { method: 'GET' }) }));
  const raw = await client.api('/$batch').post(await new BatchRequestContent(steps).getContent());
  const res = new BatchResponseContent(raw);
  for (const s of steps) {
    const r = res.getResponseById(s.id);
    assert.ok(r, `no answer to ${s.id}`); assert.equal(r.status, 200, `status of ${s.id}`);
    assert.equal(typeof (await r.json()), 'object');
  }
});
const bytes = randomBytes(6 * 1024 * 1024), name = `js sdk #1 ${Date.now()}.bin`;
let item;
await step('large-upload', async () => {
  const task = await OneDriveLargeFileUploadTask.createTaskWithFileObject(client,
    new FileUpload(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), name, bytes.byteLength),
    { fileName: name, conflictBehavior: 'replace', rangeSize: 5 * 1024 * 1024,
      uploadSessionURL: `${user}/drive/root:/${encodeURIComponent(name)}:/createUploadSession` });
  item = (await task.upload()).responseBody;
  assert.ok(item.id); assert.equal(item.name, name); assert.equal(item.size, bytes.length);
  return item.id;
});
await step('download-compare', async () => {
  const got = Buffer.from(await client.api(`${user}/drive/items/${item.id}/content`).responseType(ResponseType.ARRAYBUFFER).get());
  assert.equal(got.length, bytes.length); assert.ok(got.equals(bytes), 'bytes differ');
});
await step('drive-delta', async () => {
  const d = await delta(`${user}/drive/root/delta`);
  assert.ok(d.ids.includes(item.id), 'uploaded item is not in the delta');
  return `${d.ids.length} in ${d.pages} pages, then ${d.again}`;
});
await step('not-found', async () => {
  await assert.rejects(client.api(`${user}/drive/items/no-such-item`).get(), (e) => e.statusCode === 404 && !!e.code);
});
await step('delete', async () => { await client.api(`${user}/drive/items/${item.id}`).delete(); });
console.log('ok ALL');
