// Events of type `made-v1` become `made-v2`. See ../README.md.

import log from "weir:plugin/log@1.0.0";
import type { Event } from "weir:plugin/types@1.0.0";
import type { Upcasting } from "weir:plugin/upcasting@1.0.0";

import { integer, json, lifecycle as life, problem } from "./common.js";

export const lifecycle = life({
  name: "contract-upcaster",
  description: "Renames n to count",
  interests: [{ topics: [], eventTypes: ["made-*"] }],
});

export const upcasting: Upcasting = {
  upcast(batch) {
    const events = batch.map((event) => (event.eventType === "made-v1" ? renamed(event) : event));
    log.count("upcast", batch.length);
    log.write("debug", "upcast", [["events", String(batch.length)]]);
    return events;
  },
};

function renamed(event: Event): Event {
  const count = integer(event.payload, "n");
  if (event.payload.tag === "json" && count === undefined) throw problem("no-n", "n must be a whole number", "/n");
  return {
    ...event,
    eventType: "made-v2",
    payload: event.payload.tag === "json" ? json({ count }) : event.payload,
    tags: [...event.tags, "v2"],
    metadata: [...event.metadata, ["was", "made-v1"]],
  };
}
