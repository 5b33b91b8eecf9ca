// Counts events by their types.

import type { Lifecycle } from "weir:plugin/lifecycle@1.0.0";
import type { Projecting } from "weir:plugin/projecting@1.0.0";
import type { Querying } from "weir:plugin/querying@1.0.0";
import type { Payload } from "weir:plugin/types@1.0.0";
import view from "weir:plugin/view@1.0.0";

export const lifecycle: Lifecycle = {
  describe: () => ({
    name: "{{name}}",
    version: "0.1.0",
    description: "Counts events by their types",
    interests: [],
    stateVersion: 1,
    configSchema: null,
    wishes: [],
  }),

  init() {},
};

export const projecting: Projecting = {
  /** Reads and writes the view once a batch: crossing the border costs more than the work itself. */
  apply(batch) {
    const types = [...new Set(batch.map((event) => event.eventType))];
    const stored = view.getMany(types);
    const counts = new Map(types.map((type, i) => [type, read(stored[i] ?? null)]));
    for (const { eventType } of batch) counts.set(eventType, (counts.get(eventType) ?? 0) + 1);
    view.putMany([...counts].map(([type, count]) => [type, { tag: "json", val: String(count) }]));
  },
};

export const querying: Querying = {
  query(name) {
    if (name !== "total") throw { code: "unknown-query", message: `there is no query '${name}'`, pointer: null };
    let total = 0;
    for (let after: string | null = null; ; ) {
      const page = view.scan("", after, 256);
      if (page.length === 0) return String(total);
      for (const [key, value] of page) {
        after = key;
        total += read(value);
      }
    }
  },
};

function read(value: Payload | null): number {
  return value?.tag === "json" ? Number(value.val) : 0;
}
