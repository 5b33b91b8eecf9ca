// Posts payloads to the URL of its consumer. See ../README.md.

import clock from "weir:plugin/clock@1.0.0";
import http, { type HttpError, type Request, type Response } from "weir:plugin/http@1.0.0";
import log from "weir:plugin/log@1.0.0";
import type { Rest, Sinking, Target } from "weir:plugin/sinking@1.0.0";
import type { Payload } from "weir:plugin/types@1.0.0";

import { lifecycle as life, member, problem } from "./common.js";

type Answer = { tag: "ok"; val: Response } | { tag: "err"; val: HttpError };

export const lifecycle = life({
  name: "contract-sink",
  description: "Posts payloads",
  wishes: [{ tag: "http", val: { host: "*", methods: ["POST"] } }, { tag: "secret", val: "TOKEN" }],
});

export const sinking: Sinking = {
  check(target) {
    if (urlOf(target) === undefined) throw [problem("no-url", "the target needs a url", "/url")];
  },

  deliver(target, batch) {
    const fields: [string, string][] = [["target", target.id], ["now-ms", String(clock.nowMs())]];
    log.write("info", "deliver", fields);
    const requests = batch.map((event) => request(urlOf(target) ?? "", event.payload));
    const [only] = requests;
    const answers = only !== undefined && requests.length === 1 ? [send(only)] : http.sendAll(requests);
    for (const [accepted, answer] of answers.entries()) {
      const rest = meaning(answer);
      if (rest.tag !== "done") return { accepted, rest };
    }
    return { accepted: batch.length, rest: { tag: "done" } };
  },
};

function send(request: Request): Answer {
  try {
    return { tag: "ok", val: http.send(request) };
  } catch (error) {
    return { tag: "err", val: (error as { payload: HttpError }).payload };
  }
}

function request(url: string, payload: Payload): Request {
  const [type, body] = payload.tag === "json" ? ["application/json", utf8(payload.val)] : [BYTES, payload.val];
  return {
    method: "POST",
    url,
    headers: [["content-type", type], ["authorization", "Bearer {{secret:TOKEN}}"]],
    body: body.length > 0 ? body : null,
    timeoutMs: 10_000,
  };
}

const BYTES = "application/octet-stream";

/** What an answer means for its event. */
function meaning(answer: Answer): Rest {
  if (answer.tag === "err") {
    const { tag } = answer.val;
    if (tag === "denied") return { tag: "poison", val: problem("denied", answer.val.val) };
    return { tag: "retry", val: { afterMs: null, reason: tag } };
  }
  const { status, headers, body } = answer.val;
  if (status >= 200 && status < 300) return { tag: "done" };
  const reason = `status ${status}: ${text(body)}`;
  if (status === 503) return { tag: "retry", val: { afterMs: afterMs(headers), reason } };
  return { tag: status === 410 ? "gone" : "poison", val: problem(`status-${status}`, reason) };
}

function afterMs(headers: [string, string][]): number | null {
  const header = headers.find(([name]) => name.toLowerCase() === "retry-after");
  return header === undefined ? null : Number(header[1]) * 1000;
}

function urlOf(target: Target): string | undefined {
  const url = member(target.configJson, "url");
  return typeof url === "string" ? url : undefined;
}

function utf8(text: string): Uint8Array {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (byte) => byte.charCodeAt(0));
}

function text(utf8: Uint8Array): string {
  return decodeURIComponent(escape(String.fromCharCode(...utf8)));
}
