// Counts up and down, never below zero. See ../README.md.

import type { Deciding, Rejection } from "weir:plugin/deciding@1.0.0";
import log from "weir:plugin/log@1.0.0";
import type { Command, Event, NewEvent, Payload } from "weir:plugin/types@1.0.0";

import { integer, json, lifecycle as life, problem, raw } from "./common.js";

export const lifecycle = life({
  name: "contract-decider",
  description: "Counts, and never below zero",
  wishes: [{ tag: "append", val: "notes" }],
});

export const deciding: Deciding = {
  evolve: (state, events) => events.reduce(next, state),

  decide(state, command) {
    log.write("info", "decide", [["command", command.name]]);
    switch (command.name) {
      case "add":
        return [event(command, "added", json({ by: by(command) }))];
      case "sub": {
        const left = (integer(state, "n") ?? 0) - by(command);
        if (left < 0) throw rejection("conflict", problem("below-zero", "there is not so much", "/n"));
        return [event(command, "subtracted", json({ by: by(command) }))];
      }
      case "reset":
        return [event(command, "reset", json({}))];
      case "pack":
        return [event(command, "packed", raw())];
      case "note":
        return [{ ...event(command, "noted", command.payload), topic: "notes", stream: command.stream }];
      case "nothing":
        return [];
      case "fail":
        throw rejection("failed", problem("failed", "told to fail"));
      default:
        throw { tag: "unknown-command" } satisfies Rejection;
    }
  },
};

function next(state: Payload | null, { eventType, payload }: Event): Payload | null {
  if (eventType === "reset") return null;
  if (eventType === "packed") return payload;
  if (eventType !== "added" && eventType !== "subtracted") return state;
  const by = integer(payload, "by");
  if (by === undefined) throw problem("broken-event", "by must be a whole number", "/by");
  return json({ n: (integer(state, "n") ?? 0) + (eventType === "added" ? by : -by) });
}

function by(command: Command): number {
  const by = integer(command.payload, "by");
  if (by !== undefined) return by;
  throw { tag: "invalid", val: [problem("no-by", "by must be a whole number", "/by")] } satisfies Rejection;
}

function rejection(tag: "conflict" | "failed", val: ReturnType<typeof problem>): Rejection {
  return { tag, val };
}

/** In the command's own stream. */
function event({ topic, actor }: Command, eventType: string, payload: Payload): NewEvent {
  return { topic, stream: null, eventType, payload, tags: ["counter"], metadata: actor === null ? [] : [["by", actor]] };
}
