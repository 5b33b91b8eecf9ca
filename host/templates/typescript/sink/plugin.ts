// Posts every event to the URL of its consumer.

import http from "weir:plugin/http@1.0.0";
import type { Lifecycle } from "weir:plugin/lifecycle@1.0.0";
import type { Receipt, Sinking, Target } from "weir:plugin/sinking@1.0.0";
import type { Event } from "weir:plugin/types@1.0.0";

export const lifecycle: Lifecycle = {
  describe: () => ({
    name: "{{name}}",
    version: "0.1.0",
    description: "Posts every event to a URL",
    interests: [],
    stateVersion: 0,
    configSchema: null,
    wishes: [{ tag: "http", val: { host: "*", methods: ["POST"] } }],
  }),

  init() {},
};

export const sinking: Sinking = {
  check(target) {
    if (urlOf(target) === undefined) {
      throw [{ code: "no-url", message: "the target needs a 'url'", pointer: "/url" }];
    }
  },

  deliver(target, batch) {
    const url = urlOf(target) ?? "";
    for (const [accepted, event] of batch.entries()) {
      const reason = post(url, event);
      if (reason !== undefined) return retry(accepted, reason);
    }
    return { accepted: batch.length, rest: { tag: "done" } };
  },
};

function retry(accepted: number, reason: string): Receipt {
  return { accepted, rest: { tag: "retry", val: { afterMs: null, reason } } };
}

/** Nothing if the other side took the event, else why not. */
function post(url: string, { id, eventType, payload }: Event): string | undefined {
  const json = payload.tag === "json" ? payload.val : "null";
  const body = utf8(`{"id":${JSON.stringify(id)},"type":${JSON.stringify(eventType)},"payload":${json}}`);
  const headers: [string, string][] = [["content-type", "application/json"]];
  try {
    const { status } = http.send({ method: "POST", url, headers, body, timeoutMs: null });
    return status >= 200 && status < 300 ? undefined : `status ${status}`;
  } catch (error) {
    return `no answer: ${JSON.stringify(error)}`;
  }
}

function urlOf(target: Target): string | undefined {
  const config: unknown = JSON.parse(target.configJson);
  const url = typeof config === "object" && config !== null ? (config as Record<string, unknown>)["url"] : undefined;
  return typeof url === "string" ? url : undefined;
}

function utf8(text: string): Uint8Array {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (byte) => byte.charCodeAt(0));
}
