// A typical script: reads and splits the segment by hand, sends the contacts with fetch, one call after the other.
// Arguments: file, address.
import { readFileSync } from "node:fs";

const [file, url] = process.argv.slice(2);

function* rows(text) {
  let row = [], cell = "", quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[at + 1] === '"') { cell += '"'; at++; }
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ",") { row.push(cell); cell = ""; }
    else if (c === "\n") { row.push(cell); yield row; row = []; cell = ""; }
    else if (c !== "\r") cell += c;
  }
  if (cell || row.length) { row.push(cell); yield row; }
}

const FIELDS = { EMail: "Email", FirstName: "FirstName", LastName: "LastName", Telephone1: "Phone", City: "MailingCity" };

async function send(batch) {
  const headers = { autopilotapikey: "bench", "content-type": "application/json" };
  const answer = await fetch(`${url}/contacts`, { method: "POST", headers, body: JSON.stringify({ contacts: batch }) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  await answer.json();
}

let header, batch = [];
for (const row of rows(readFileSync(file, "utf8").replace(/^\uFEFF/, ""))) {
  if (!header) { header = row; continue; }
  const profile = Object.fromEntries(header.map((name, at) => [name, row[at]]));
  const contact = { custom: { "boolean--In--Bench": true } };
  for (const [column, field] of Object.entries(FIELDS)) if (profile[column]) contact[field] = profile[column];
  if (profile.LifetimeValue) contact.custom["float--Lifetime--Value"] = Number(profile.LifetimeValue);
  batch.push(contact);
  if (batch.length === 100) { await send(batch); batch = []; }
}
if (batch.length) await send(batch);
