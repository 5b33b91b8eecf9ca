// Talks CloudEvents to a server with the CloudEvents SDK for JavaScript, as a user's program would. What is sent in
// structured, binary and batched mode is read back in all of them; the last line says how many comparisons that were.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { CloudEvent, HTTP } = createRequire(process.env.PACKAGES + "/")("cloudevents");

const STRUCTURED = "application/cloudevents+json";
const BATCH = "application/cloudevents-batch+json";
const BINARY = "application/cloudevents";
const FACTS = ["weirid", "weirtopic", "weirsequence", "weirposition", "weirversion", "weirtime"];

const base = process.argv[2];
let compared = 0;

async function publish(path, { headers, body }) {
  const answer = await fetch(base + path, { method: "POST", headers, body, signal: AbortSignal.timeout(30_000) });
  const text = await answer.text();
  assert.equal(answer.status, 201, text);
  return JSON.parse(text).eventIds;
}

/** An answer as the SDK takes it. */
async function get(path, accept) {
  const answer = await fetch(base + path, { headers: { accept }, signal: AbortSignal.timeout(30_000) });
  assert.equal(answer.status, 200);
  // The SDK leaves the HTTP binding's percent-encoding to its caller.
  const decoded = ([name, value]) => [name, name.startsWith("ce-") ? decodeURIComponent(value) : value];
  const headers = Object.fromEntries([...answer.headers].map(decoded));
  const bytes = Buffer.from(await answer.arrayBuffer());
  const isBytes = headers["content-type"] === "application/octet-stream";
  return { headers, body: isBytes ? bytes : bytes.toString() };
}

/** What an event says, with values that all modes have: the server's own attributes are left out. */
function said(event) {
  const { data, data_base64: _, time, ...attributes } = event.toJSON();
  const strings = Object.entries(attributes)
    .filter(([name, value]) => !FACTS.includes(name) && value !== undefined && name !== "datacontenttype")
    .map(([name, value]) => [name, String(value)]);
  const bytes = ArrayBuffer.isView(event.data) ? Array.from(event.data) : event.data;
  return { ...Object.fromEntries(strings), time: Date.parse(time), data: bytes ?? null };
}

function compare(sent, found) {
  assert.deepEqual(said(found), said(sent));
  compared += 1;
}

async function readBack(event, id) {
  const structured = HTTP.toEvent(await get(`/events/${id}`, STRUCTURED));
  assert.equal(structured.weirid, id);
  structured.validate();
  compare(event, structured);
  const binary = HTTP.toEvent(await get(`/events/${id}`, BINARY));
  binary.validate();
  compare(event, binary);
}

function events() {
  const event = (more) => new CloudEvent({ type: "com.example.made", source: "/things", ...more });
  return [
    event({ data: { total: 17.5, lines: [{ name: "Größe €" }] } }),
    event({ data: { n: 1 }, datacontenttype: "application/json", dataschema: "https://example.com/s" }),
    event({ data: { n: 2 }, subject: "a,b;c", time: "2026-01-31T10:20:30.123Z" }),
    event({ data: Uint8Array.from([0, 255, 128]), datacontenttype: "application/octet-stream" }),
    event({ data: { n: 3 }, priority: 5, urgent: true, five: "5" }),
    event({ data: { n: 4 }, weirstream: "order:1", weirtags: '["a","b"]' }),
    event({ data: { n: 5 }, traceparent: "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01" }),
  ];
}

for (const mode of [HTTP.structured, HTTP.binary]) {
  for (const event of events()) {
    const [id] = await publish("/topics/orders/events", mode(event));
    await readBack(event, id);
  }
}

// The SDK reads batches, and leaves writing them to `JSON.stringify`.
const batch = events();
const ids = await publish("/topics/batches/events", { headers: { "content-type": BATCH }, body: JSON.stringify(batch) });
const found = HTTP.toEvent(await get("/topics/batches/events", BATCH));
assert.deepEqual(found.map((event) => event.weirid), ids);
for (const [index, event] of batch.entries()) {
  compare(event, found[index]);
  await readBack(event, ids[index]);
}
console.log(JSON.stringify({ compared }));
