"""Refuses payments whose amount is not positive."""

import json
from typing import Any, List

from wit_world import exports
from wit_world.exports.lifecycle import Interest, Manifest
from wit_world.exports.validating import Topic, Verdict, Verdict_Accept, Verdict_Reject
from wit_world.imports.types import NewEvent, Payload, Payload_Json, Problem


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Manifest:
        return Manifest(
            name="{{name}}",
            version="0.1.0",
            description="Payments need an amount greater than 0",
            interests=[Interest(topics=[], event_types=["payment-*"])],
            state_version=0,
            config_schema=None,
            wishes=[],
        )

    def init(self, config_json: str) -> None:
        pass


class Validating(exports.Validating):
    def configure(self, topic: Topic) -> None:
        pass

    def validate(self, batch: List[NewEvent]) -> List[Verdict]:
        return [judge(event) for event in batch]


def judge(event: NewEvent) -> Verdict:
    amount = amount_of(event.payload)
    if isinstance(amount, float) and amount > 0:
        return Verdict_Accept()
    message = "amount must be a number greater than 0"
    return Verdict_Reject([Problem(code="not-positive", message=message, pointer="/amount")])


def amount_of(payload: Payload) -> Any:
    """Every number becomes a float: JSON has one kind of number, and True is an int to Python."""
    value = json.loads(payload.value, parse_int=float) if isinstance(payload, Payload_Json) else None
    return value.get("amount") if isinstance(value, dict) else None
