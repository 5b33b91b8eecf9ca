// Asks for the payment of orders, and tells when one is late or refused. See ../README.md.

import log from "weir:plugin/log@1.0.0";
import type { Action, Processing } from "weir:plugin/processing@1.0.0";
import type { Event, Payload } from "weir:plugin/types@1.0.0";
import view from "weir:plugin/view@1.0.0";

import { integer, json, lifecycle as life, problem } from "./common.js";

export const lifecycle = life({
  name: "contract-manager",
  description: "Has orders paid in time",
  interests: [{ topics: ["orders"], eventTypes: ["ordered", "paid"] }],
  wishes: [{ tag: "append", val: "orders" }, { tag: "append", val: "payments" }],
});

export const processing: Processing = {
  react(batch) {
    count(batch);
    log.count("reacted", batch.length);
    return batch.flatMap((event) => (event.eventType === "ordered" ? ordered(event) : paid(event)));
  },

  onTimer: (due) => due.map(({ key }) => append("overdue", key, json({ open: open() }))),

  onRefused(command, reasons) {
    for (const { code, message } of reasons) log.write("warn", "refused", [["code", code], ["message", message]]);
    const code = reasons[0]?.code;
    return [append("refused", command.stream, json({ code, at: reasons.flatMap(({ pointer }) => pointer ?? []) }))];
  },
};

/** How many events each stream has had. */
function count(batch: Event[]): void {
  const counts = new Map<string, number>();
  for (const event of batch) {
    const key = `count/${streamOf(event)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const keys = [...counts.keys()];
  const stored = view.getMany(keys);
  view.putMany(keys.map((key, i) => [key, json({ n: (integer(stored[i] ?? null, "n") ?? 0) + counts.get(key)! })]));
  log.gauge("streams", keys.length);
}

function ordered(event: Event): Action[] {
  const stream = streamOf(event);
  view.put(`open/${stream}`, event.payload);
  const pay = {
    id: event.id,
    name: "pay",
    topic: "payments",
    stream,
    payload: event.payload,
    actor: "contract-manager",
    tags: event.tags,
    metadata: [["cause", event.id] as [string, string]],
  };
  return [
    { tag: "execute", val: pay },
    { tag: "set-timer", val: { key: stream, atMs: event.timeMs + 1000, payload: event.payload } },
  ];
}

function paid(event: Event): Action[] {
  const stream = streamOf(event);
  if (view.get(`open/${stream}`) === null) return [];
  view.delete(`open/${stream}`);
  return [{ tag: "cancel-timer", val: stream }];
}

/** How many orders are open, two a page. */
function open(): number {
  let count = 0;
  for (let after: string | null = null; ; ) {
    const page = view.scan("open/", after, 2);
    if (page.length === 0) return count;
    count += page.length;
    after = page[page.length - 1]![0];
  }
}

function append(eventType: string, stream: string, payload: Payload): Action {
  return { tag: "append", val: { topic: "orders", stream, eventType, payload, tags: [eventType], metadata: [] } };
}

function streamOf({ stream }: Event): string {
  if (stream === null) throw problem("no-stream", "an order needs a stream");
  return stream;
}
