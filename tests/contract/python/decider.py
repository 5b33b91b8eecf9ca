"""Counts up and down, never below zero. See ../README.md."""

from dataclasses import replace
from typing import List, Optional

import common
from common import as_json, integer, problem
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.deciding import Rejection_Conflict, Rejection_Failed, Rejection_Invalid, Rejection_UnknownCommand
from wit_world.exports.lifecycle import Wish_Append
from wit_world.imports import log
from wit_world.imports.types import Command, Event, NewEvent, Payload


class Lifecycle(common.Lifecycle):
    name = "contract-decider"
    description = "Counts, and never below zero"
    wishes = [Wish_Append("notes")]


class Deciding(exports.Deciding):
    def evolve(self, state: Optional[Payload], events: List[Event]) -> Optional[Payload]:
        for event in events:
            state = after(state, event)
        return state

    def decide(self, state: Optional[Payload], command: Command) -> List[NewEvent]:
        log.write(log.Level.INFO, "decide", [("command", command.name)])
        match command.name:
            case "add":
                return [event(command, "added", as_json({"by": by(command)}))]
            case "sub":
                if (integer(state, "n") or 0) < by(command):
                    raise Err(Rejection_Conflict(problem("below-zero", "there is not so much", "/n")))
                return [event(command, "subtracted", as_json({"by": by(command)}))]
            case "reset":
                return [event(command, "reset", as_json({}))]
            case "pack":
                return [event(command, "packed", common.RAW)]
            case "note":
                return [replace(event(command, "noted", command.payload), topic="notes", stream=command.stream)]
            case "nothing":
                return []
            case "fail":
                raise Err(Rejection_Failed(problem("failed", "told to fail")))
        raise Err(Rejection_UnknownCommand())


def after(state: Optional[Payload], event: Event) -> Optional[Payload]:
    match event.event_type:
        case "reset":
            return None
        case "packed":
            return event.payload
        case "added" | "subtracted":
            change = integer(event.payload, "by")
            if change is None:
                raise Err(problem("broken-event", "by must be a whole number", "/by"))
            return as_json({"n": (integer(state, "n") or 0) + (change if event.event_type == "added" else -change)})
    return state


def by(command: Command) -> int:
    change = integer(command.payload, "by")
    if change is None:
        raise Err(Rejection_Invalid([problem("no-by", "by must be a whole number", "/by")]))
    return change


def event(command: Command, event_type: str, payload: Payload) -> NewEvent:
    """In the command's own stream."""
    metadata = [] if command.actor is None else [("by", command.actor)]
    return NewEvent(command.topic, None, event_type, payload, ["counter"], metadata)
