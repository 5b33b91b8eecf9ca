"""Asks for the payment of orders, and tells when one is late or refused. See ../README.md."""

from collections import Counter
from typing import List

import common
from common import as_json, integer, problem
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Interest, Wish_Append
from wit_world.exports.processing import (
    Action,
    Action_Append,
    Action_CancelTimer,
    Action_Execute,
    Action_SetTimer,
    Timer,
)
from wit_world.imports import log, view
from wit_world.imports.types import Command, Event, NewCommand, NewEvent, Payload, Problem


class Lifecycle(common.Lifecycle):
    name = "contract-manager"
    description = "Has orders paid in time"
    interests = [Interest(topics=["orders"], event_types=["ordered", "paid"])]
    wishes = [Wish_Append("orders"), Wish_Append("payments")]


class Processing(exports.Processing):
    def react(self, batch: List[Event]) -> List[Action]:
        count(batch)
        log.count("reacted", len(batch))
        return [action for event in batch for action in (ordered if event.event_type == "ordered" else paid)(event)]

    def on_timer(self, due: List[Timer]) -> List[Action]:
        return [append("overdue", timer.key, as_json({"open": count_open()})) for timer in due]

    def on_refused(self, command: Command, reasons: List[Problem]) -> List[Action]:
        for reason in reasons:
            log.write(log.Level.WARN, "refused", [("code", reason.code), ("message", reason.message)])
        places = [reason.pointer for reason in reasons if reason.pointer is not None]
        return [append("refused", command.stream, as_json({"code": reasons[0].code, "at": places}))]


def count(batch: List[Event]) -> None:
    """How many events each stream has had."""
    counts = Counter(f"count/{stream_of(event)}" for event in batch)
    stored = view.get_many(list(counts))
    view.put_many([(key, as_json({"n": (integer(old, "n") or 0) + counts[key]})) for key, old in zip(counts, stored)])
    log.gauge("streams", len(counts))


def ordered(event: Event) -> List[Action]:
    stream = stream_of(event)
    view.put(f"open/{stream}", event.payload)
    pay = NewCommand(
        id=event.id,
        name="pay",
        topic="payments",
        stream=stream,
        payload=event.payload,
        actor="contract-manager",
        tags=event.tags,
        metadata=[("cause", event.id)],
    )
    return [Action_Execute(pay), Action_SetTimer(Timer(stream, event.time_ms + 1000, event.payload))]


def paid(event: Event) -> List[Action]:
    stream = stream_of(event)
    if view.get(f"open/{stream}") is None:
        return []
    view.delete(f"open/{stream}")
    return [Action_CancelTimer(stream)]


def count_open() -> int:
    """How many orders are open, two a page."""
    count, after = 0, None
    while page := view.scan("open/", after, 2):
        count += len(page)
        after = page[-1][0]
    return count


def append(event_type: str, stream: str, payload: Payload) -> Action:
    return Action_Append(NewEvent("orders", stream, event_type, payload, [event_type], []))


def stream_of(event: Event) -> str:
    if event.stream is None:
        raise Err(problem("no-stream", "an order needs a stream"))
    return event.stream
