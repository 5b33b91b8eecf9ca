// Refuses payments that are not positive, or larger than the operator's `max`.

import type { Lifecycle } from "weir:plugin/lifecycle@1.0.0";
import type { NewEvent, Payload } from "weir:plugin/types@1.0.0";
import type { Validating, Verdict } from "weir:plugin/validating@1.0.0";

let max = Infinity;

export const lifecycle: Lifecycle = {
  describe: () => ({
    name: "positive-amount",
    version: "1.0.0",
    description: "Payments need an amount greater than 0",
    interests: [{ topics: [], eventTypes: ["payment-*"] }],
    stateVersion: 0,
    configSchema: null,
    wishes: [],
  }),

  init(configJson) {
    const limit = member(configJson, "max");
    if (limit === undefined) return;
    if (!isInteger(limit)) throw "'max' must be an integer";
    max = limit;
  },
};

export const validating: Validating = {
  configure() {},
  validate: (batch) => batch.map(judge),
};

function judge(event: NewEvent): Verdict {
  const amount = amountOf(event.payload);
  if (amount === undefined) return reject("no-amount", "amount must be a number");
  if (amount <= 0) return reject("not-positive", "amount must be greater than 0");
  if (amount > max) return reject("too-large", `amount must be at most ${max}`);
  return { tag: "accept" };
}

function reject(code: string, message: string): Verdict {
  return { tag: "reject", val: [{ code, message, pointer: "/amount" }] };
}

function amountOf(payload: Payload): number | undefined {
  const amount = payload.tag === "json" ? member(payload.val, "amount") : undefined;
  return typeof amount === "number" ? amount : undefined;
}

/** A member of a JSON text that is an object. */
function member(json: string, name: string): unknown {
  const value: unknown = JSON.parse(json);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** Beyond 2^53 a JSON number is no longer the one that was written. */
function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
