// fhir-kit-client against a Kantele server: create, read, update, search, page, transact, history.
import assert from 'node:assert';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

// The folder of modules is named, since it lies outside the repository's own folders.
const folder = path.join(process.env.KANTELE_TEST_NODE_MODULES, 'fhir-kit-client');
const kit = await import(pathToFileURL(path.join(folder, 'dist', 'client.js')));
const Client = kit.default ?? kit.Client;

async function main() {
  const client = new Client({ baseUrl: process.argv[2] });
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, '4.0.1');

  const body = { resourceType: 'Patient', name: [{ family: 'Virtanen', given: ['Aava'] }] };
  const created = await client.create({ resourceType: 'Patient', body });
  assert.equal(created.meta.versionId, '1');
  const changed = { ...created, active: true };
  const updated = await client.update({ resourceType: 'Patient', id: created.id, body: changed });
  assert.equal(updated.meta.versionId, '2');
  const old = await client.vread({ resourceType: 'Patient', id: created.id, version: '1' });
  assert.equal(old.active, undefined);

  for (let number = 0; number < 5; number += 1) {
    await client.create({
      resourceType: 'Observation',
      body: {
        resourceType: 'Observation',
        status: 'final',
        code: { coding: [{ system: 'http://loinc.org', code: '15074-8' }] },
        subject: { reference: `Patient/${created.id}` },
      },
    });
  }
  const searchParams = { patient: created.id, _count: 2 };
  let page = await client.search({ resourceType: 'Observation', searchParams });
  const seen = new Set();
  while (page) {
    page.entry.forEach((entry) => seen.add(entry.resource.id));
    page = await client.nextPage({ bundle: page });
  }
  assert.equal(seen.size, 5);
  const posted = await client.resourceSearch({
    resourceType: 'Patient',
    searchParams: { family: 'virt' },
    options: { postSearch: true },
  });
  assert.equal(posted.entry.length, 1);

  const answer = await client.transaction({
    body: {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: 'urn:uuid:3f1d4c52-0a0b-4c0d-9e0f-000000000003',
          request: { method: 'POST', url: 'Patient' },
          resource: { resourceType: 'Patient', name: [{ family: 'Korhonen' }] },
        },
      ],
    },
  });
  assert.equal(answer.type, 'transaction-response');
  assert.match(answer.entry[0].response.status, /^201/);
  const history = await client.resourceHistory({ resourceType: 'Patient', id: created.id });
  assert.equal(history.entry.length, 2);
  await client.delete({ resourceType: 'Patient', id: created.id });
  await assert.rejects(client.read({ resourceType: 'Patient', id: created.id }));
  console.log('fhir-kit-client: created, searched, paged and transacted');
}

main().catch((error) => {
  console.error(error?.response?.data ?? error);
  process.exitCode = 1;
});
