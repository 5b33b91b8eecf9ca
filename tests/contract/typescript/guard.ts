// Refuses and replaces events by their type, and commands by their name and state. See ../README.md.

import type { Guarding } from "weir:plugin/guarding@1.0.0";
import log from "weir:plugin/log@1.0.0";
import type { NewEvent } from "weir:plugin/types@1.0.0";
import type { Validating, Verdict } from "weir:plugin/validating@1.0.0";

import { json, lifecycle as life, problem, raw } from "./common.js";

const topics = new Set<string>();

export const lifecycle = life({ name: "contract-guard", description: "Refuses what it is told to" });

export const validating: Validating = {
  configure(topic) {
    if (topic.name === "refused") throw [problem("bad-topic", "told to refuse this topic")];
    topics.add(topic.name);
    log.gauge("topics", topics.size);
    log.write("debug", "configured", [["topic", topic.name], ["config", topic.configJson]]);
  },
  validate: (batch) => batch.map(judge),
};

export const guarding: Guarding = {
  guard(state, { name, actor }) {
    const problems = [];
    if (name === "forbidden") problems.push(problem("forbidden", `not for ${actor ?? "nobody"}`));
    if (state?.tag === "bytes") problems.push(problem("packed", "the state is bytes", ""));
    if (problems.length > 0) throw problems;
  },
};

function judge({ eventType, tags }: NewEvent): Verdict {
  if (eventType === "plain") return { tag: "replace", val: json({ replaced: true }) };
  if (eventType === "raw") return { tag: "replace", val: raw() };
  const problems = [];
  if (eventType === "bad") problems.push(problem("bad-type", "told to refuse this type"));
  if (tags.includes("bad")) problems.push(problem("bad-tag", "told to refuse this tag"));
  return problems.length > 0 ? { tag: "reject", val: problems } : { tag: "accept" };
}
