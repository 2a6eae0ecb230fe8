// The npm client autopilot-api against a sandbox: AUTOPILOT_BASE_URL (up to and with /v1), AUTOPILOT_API_KEY.
// The sandbox is expected to start empty and to accept that key only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Autopilot from 'autopilot-api';

const url = process.env.AUTOPILOT_BASE_URL;
const key = process.env.AUTOPILOT_API_KEY;
assert.ok(url && key, 'AUTOPILOT_BASE_URL and AUTOPILOT_API_KEY must be set');

const autopilot = new Autopilot(key, url);
const refused = (status) => (error) => {
  assert.equal(error.response?.status, status);
  return true;
};
const numbered = (from, to) =>
  Array.from({ length: to - from }, (_, n) => ({ Email: `member${from + n}@example.org` }));

test('the account has an instance id', async () => {
  const { data } = await autopilot.account.get();
  assert.equal(typeof data.instanceId, 'string');
});

test('a contact is created, updated and read', async () => {
  const contact = { Email: 'Ann@example.org', FirstName: 'Ann', custom: { 'integer--Orders--Total': 4 } };
  const { data: created } = await autopilot.contacts.upsert(contact);
  assert.match(created.contact_id, /^person_[0-9A-F-]{36}$/);
  const { data: updated } = await autopilot.contacts.upsert({ Email: 'ann@example.org', Company: 'A' });
  assert.equal(updated.contact_id, created.contact_id);
  for (const id of ['ann@example.org', created.contact_id]) {
    const { data } = await autopilot.contacts.get(id);
    assert.equal(data.contact_id, created.contact_id);
    assert.equal(data.FirstName, 'Ann');
    assert.equal(data.Company, 'A');
    assert.deepEqual(data.custom_fields, [{ kind: 'Orders Total', value: 4, fieldType: 'integer' }]);
  }
});

test('many contacts are created at once, and found in the map', async () => {
  const { data } = await autopilot.contacts.upsert([{ Email: 'bo@example.org' }, { Email: 'Cy@example.org' }]);
  assert.deepEqual(Object.keys(data.email_contact_map).sort(), ['Cy@example.org', 'bo@example.org']);
  assert.deepEqual(data.contact_ids, [data.email_contact_map['bo@example.org'], data.email_contact_map['Cy@example.org']]);
});

test('more than 100 contacts are refused whole', async () => {
  await assert.rejects(autopilot.contacts.upsert(numbered(1000, 1101)), refused(400));
  await assert.rejects(autopilot.contacts.get('member1000@example.org'), refused(404));
});

test('a list is made, filled, read page by page and emptied', async () => {
  const { data: list } = await autopilot.lists.insert('Readers');
  assert.equal(list.name, 'Readers');
  const { data: all } = await autopilot.lists.list();
  assert.deepEqual(all.lists.filter(({ title }) => title === 'Readers').map(({ list_id }) => list_id), [list.list_id]);

  await autopilot.contacts.upsert(numbered(0, 100));
  await autopilot.contacts.upsert(numbered(100, 130));
  for (const { Email } of numbered(0, 130)) await autopilot.lists.add(list.list_id, Email);

  const { data: first } = await autopilot.lists.roster(list.list_id);
  assert.equal(first.contacts.length, 100);
  assert.equal(first.total_contacts, 130);
  const { data: second } = await autopilot.lists.roster(list.list_id, first.bookmark);
  assert.equal(second.contacts.length, 30);
  assert.equal(second.bookmark, undefined);
  const emails = new Set([...first.contacts, ...second.contacts].map(({ Email }) => Email));
  assert.equal(emails.size, 130);

  assert.equal((await autopilot.lists.has(list.list_id, 'member7@example.org')).status, 200);
  assert.equal((await autopilot.lists.add(list.list_id, 'member7@example.org')).data.not_modified, true);
  assert.equal((await autopilot.lists.remove(list.list_id, 'member7@example.org')).status, 200);
  assert.equal((await autopilot.lists.remove(list.list_id, 'member7@example.org')).data.not_modified, true);
  await assert.rejects(autopilot.lists.has(list.list_id, 'member7@example.org'), refused(404));
  assert.equal((await autopilot.contacts.get('member7@example.org')).data.Email, 'member7@example.org');
  await assert.rejects(autopilot.lists.add(list.list_id, 'nobody@example.org'), refused(404));
});

test('all contacts are read page by page', async () => {
  const seen = new Set();
  let bookmark;
  do {
    const { data } = await autopilot.contacts.list(bookmark);
    for (const contact of data.contacts) seen.add(contact.contact_id);
    assert.ok(data.total_contacts >= seen.size);
    bookmark = data.bookmark;
  } while (bookmark);
  assert.equal(seen.size, 133);
});

test('custom fields are listed with their types', async () => {
  const { data } = await autopilot.contacts.fields();
  assert.deepEqual(data, [{ name: 'Orders Total', fieldType: 'integer' }]);
});

test('a contact opts out and is deleted', async () => {
  await autopilot.contacts.upsert({ Email: 'gone@example.org' });
  await autopilot.contacts.unsubscribe('gone@example.org');
  assert.equal((await autopilot.contacts.get('gone@example.org')).data.unsubscribed, true);
  await autopilot.contacts.delete('gone@example.org');
  await assert.rejects(autopilot.contacts.get('gone@example.org'), refused(404));
});

test('a wrong key is 401, no key 400', async () => {
  await assert.rejects(new Autopilot('wrong', url).account.get(), refused(401));
  const response = await fetch(`${url}/account`);
  assert.equal(response.status, 400);
  assert.equal(typeof (await response.json()).message, 'string');
});
