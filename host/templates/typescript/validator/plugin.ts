// Refuses payments whose amount is not positive.

import type { Lifecycle } from "weir:plugin/lifecycle@1.0.0";
import type { NewEvent, Payload } from "weir:plugin/types@1.0.0";
import type { Validating, Verdict } from "weir:plugin/validating@1.0.0";

export const lifecycle: Lifecycle = {
  describe: () => ({
    name: "{{name}}",
    version: "0.1.0",
    description: "Payments need an amount greater than 0",
    interests: [{ topics: [], eventTypes: ["payment-*"] }],
    stateVersion: 0,
    configSchema: null,
    wishes: [],
  }),

  init() {},
};

export const validating: Validating = {
  configure() {},
  validate: (batch) => batch.map(judge),
};

function judge(event: NewEvent): Verdict {
  const amount = amountOf(event.payload);
  if (typeof amount === "number" && amount > 0) return { tag: "accept" };
  const problem = { code: "not-positive", message: "amount must be a number greater than 0", pointer: "/amount" };
  return { tag: "reject", val: [problem] };
}

function amountOf(payload: Payload): unknown {
  const value: unknown = payload.tag === "json" ? JSON.parse(payload.val) : null;
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)["amount"] : undefined;
}
