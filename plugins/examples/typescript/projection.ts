// Keeps, for every stream of payments, how many there were, the sum of their amounts and the last one's position.

import type { Lifecycle } from "weir:plugin/lifecycle@1.0.0";
import type { Projecting } from "weir:plugin/projecting@1.0.0";
import type { Querying } from "weir:plugin/querying@1.0.0";
import type { Payload } from "weir:plugin/types@1.0.0";
import view from "weir:plugin/view@1.0.0";

/** The sum is a bigint, as many amounts together may be more than a number holds exactly. */
interface Totals {
  count: number;
  sum: bigint;
  last: number;
}

const PAGE_KEYS = 256;

export const lifecycle: Lifecycle = {
  describe: () => ({
    name: "totals",
    version: "1.0.0",
    description: "Count, sum and last position of the payments of every stream",
    interests: [{ topics: [], eventTypes: ["payment-*"] }],
    stateVersion: 1,
    configSchema: null,
    wishes: [],
  }),

  init() {},
};

export const projecting: Projecting = {
  /** Reads and writes the view once a batch: crossing the border costs more than the work itself. */
  apply(batch) {
    const keys = [...new Set(batch.flatMap((event) => event.stream ?? []))];
    const stored = view.getMany(keys);
    const totals = new Map(keys.map((key, i) => [key, read(stored[i] ?? null)]));
    for (const { stream, payload, position } of batch) {
      const entry = stream === null ? undefined : totals.get(stream);
      if (entry === undefined) continue;
      entry.count += 1;
      entry.sum += amountOf(payload);
      entry.last = position;
    }
    view.putMany([...totals].map(([key, entry]) => [key, write(entry)]));
  },
};

export const querying: Querying = {
  /** `stream`, as often as one likes, asks for those alone. */
  query(name, params) {
    if (name !== "count" && name !== "total") {
      throw { code: "unknown-query", message: `there is no query '${name}'`, pointer: null };
    }
    const streams = new Set(params.flatMap(([key, value]) => (key === "stream" ? value : [])));
    let count = 0;
    let total = 0n;
    for (const [stream, entry] of entries()) {
      if (streams.size > 0 && !streams.has(stream)) continue;
      count += 1;
      total += entry.sum;
    }
    return String(name === "count" ? count : total);
  },
};

/** All entries of the view, page by page, until a page is empty: the host may answer with less than was asked for. */
function* entries(): Generator<[stream: string, Totals]> {
  for (let after: string | null = null; ; ) {
    const page = view.scan("", after, PAGE_KEYS);
    if (page.length === 0) return;
    for (const [key, value] of page) {
      after = key;
      yield [key, read(value)];
    }
  }
}

function write({ count, sum, last }: Totals): Payload {
  return { tag: "json", val: `{"count":${count},"sum":${sum},"last":${last}}` };
}

/** What `write` wrote. JSON.parse would round a large sum. */
function read(value: Payload | null): Totals {
  const parts = value?.tag === "json" ? /"count":(\d+),"sum":(-?\d+),"last":(\d+)/.exec(value.val) : null;
  if (parts === null) return { count: 0, sum: 0n, last: 0 };
  const [, count, sum, last] = parts as unknown as [string, string, string, string];
  return { count: Number(count), sum: BigInt(sum), last: Number(last) };
}

/** Beyond 2^53 a JSON number is no longer the one that was written: such an amount counts as none. */
function amountOf(payload: Payload): bigint {
  const json: unknown = payload.tag === "json" ? JSON.parse(payload.val) : null;
  const amount = typeof json === "object" && json !== null ? (json as Record<string, unknown>)["amount"] : undefined;
  return Number.isSafeInteger(amount) ? BigInt(amount as number) : 0n;
}
