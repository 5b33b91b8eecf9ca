"""Refuses and replaces events by their type, and commands by their name and state. See ../README.md."""

from typing import List, Optional

import common
from common import problem
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.validating import Topic, Verdict, Verdict_Accept, Verdict_Reject, Verdict_Replace
from wit_world.imports import log
from wit_world.imports.types import Command, NewEvent, Payload, Payload_Bytes

topics: set[str] = set()


class Lifecycle(common.Lifecycle):
    name = "contract-guard"
    description = "Refuses what it is told to"


class Validating(exports.Validating):
    def configure(self, topic: Topic) -> None:
        if topic.name == "refused":
            raise Err([problem("bad-topic", "told to refuse this topic")])
        topics.add(topic.name)
        log.gauge("topics", len(topics))
        log.write(log.Level.DEBUG, "configured", [("topic", topic.name), ("config", topic.config_json)])

    def validate(self, batch: List[NewEvent]) -> List[Verdict]:
        return [judge(event) for event in batch]


class Guarding(exports.Guarding):
    def guard(self, state: Optional[Payload], command: Command) -> None:
        problems = []
        if command.name == "forbidden":
            problems.append(problem("forbidden", f"not for {command.actor or 'nobody'}"))
        if isinstance(state, Payload_Bytes):
            problems.append(problem("packed", "the state is bytes", ""))
        if problems:
            raise Err(problems)


def judge(event: NewEvent) -> Verdict:
    if event.event_type == "plain":
        return Verdict_Replace(common.as_json({"replaced": True}))
    if event.event_type == "raw":
        return Verdict_Replace(common.RAW)
    problems = []
    if event.event_type == "bad":
        problems.append(problem("bad-type", "told to refuse this type"))
    if "bad" in event.tags:
        problems.append(problem("bad-tag", "told to refuse this tag"))
    return Verdict_Reject(problems) if problems else Verdict_Accept()
