"""Events of type `made-v1` become `made-v2`. See ../README.md."""

from dataclasses import replace
from typing import List

import common
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Interest
from wit_world.imports import log
from wit_world.imports.types import Event, Payload_Json


class Lifecycle(common.Lifecycle):
    name = "contract-upcaster"
    description = "Renames n to count"
    interests = [Interest(topics=[], event_types=["made-*"])]


class Upcasting(exports.Upcasting):
    def upcast(self, batch: List[Event]) -> List[Event]:
        events = [renamed(event) if event.event_type == "made-v1" else event for event in batch]
        log.count("upcast", len(batch))
        log.write(log.Level.DEBUG, "upcast", [("events", str(len(batch)))])
        return events


def renamed(event: Event) -> Event:
    payload = event.payload
    if isinstance(payload, Payload_Json):
        count = common.integer(payload, "n")
        if count is None:
            raise Err(common.problem("no-n", "n must be a whole number", "/n"))
        payload = common.as_json({"count": count})
    return replace(
        event,
        event_type="made-v2",
        payload=payload,
        tags=[*event.tags, "v2"],
        metadata=[*event.metadata, ("was", "made-v1")],
    )
