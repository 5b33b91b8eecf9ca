// What the plugins of this folder share.

import type { Lifecycle, Manifest } from "weir:plugin/lifecycle@1.0.0";
import type { Payload, Problem } from "weir:plugin/types@1.0.0";

/** The same for all kinds but for what is said here. */
export function lifecycle(own: Pick<Manifest, "name" | "description"> & Partial<Manifest>): Lifecycle {
  return {
    describe: () => ({
      version: "1.0.0",
      interests: [],
      stateVersion: 1,
      configSchema: '{"type":"object"}',
      wishes: [],
      ...own,
    }),
    init(configJson) {
      if (member(configJson, "refuse") !== undefined) throw "told to refuse";
    },
  };
}

export function problem(code: string, message: string, pointer: string | null = null): Problem {
  return { code, message, pointer };
}

export function json(value: unknown): Payload {
  return { tag: "json", val: JSON.stringify(value) };
}

/** Bytes that are neither text nor JSON. */
export function raw(): Payload {
  return { tag: "bytes", val: Uint8Array.of(0, 1, 255) };
}

/** A member of a payload that is a whole number. */
export function integer(payload: Payload | null, name: string): number | undefined {
  const value = payload?.tag === "json" ? member(payload.val, name) : undefined;
  return Number.isSafeInteger(value) ? (value as number) : undefined;
}

/** A member of a JSON text that is an object. */
export function member(text: string, name: string): unknown {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return (value as Record<string, unknown>)[name];
}
