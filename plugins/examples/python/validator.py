"""Refuses payments that are not positive, or larger than the operator's `max`."""

import json
import math
from typing import Any, List, Optional

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Interest, Manifest
from wit_world.exports.validating import Topic, Verdict, Verdict_Accept, Verdict_Reject
from wit_world.imports.types import NewEvent, Payload, Payload_Json, Problem

# Beyond 2^53 a JSON number is no longer the one that was written.
INTEGER_MAX = 2**53 - 1

amount_max = math.inf


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Manifest:
        return Manifest(
            name="positive-amount",
            version="1.0.0",
            description="Payments need an amount greater than 0",
            interests=[Interest(topics=[], event_types=["payment-*"])],
            state_version=0,
            config_schema=None,
            wishes=[],
        )

    def init(self, config_json: str) -> None:
        global amount_max
        config = object_of(config_json)
        if "max" in config:
            limit = config["max"]
            if not (isinstance(limit, float) and limit.is_integer() and abs(limit) <= INTEGER_MAX):
                raise Err("'max' must be an integer")
            amount_max = int(limit)


class Validating(exports.Validating):
    def configure(self, topic: Topic) -> None:
        pass

    def validate(self, batch: List[NewEvent]) -> List[Verdict]:
        return [judge(event) for event in batch]


def judge(event: NewEvent) -> Verdict:
    amount = amount_of(event.payload)
    if amount is None:
        return reject("no-amount", "amount must be a number")
    if amount <= 0:
        return reject("not-positive", "amount must be greater than 0")
    if amount > amount_max:
        return reject("too-large", f"amount must be at most {amount_max}")
    return Verdict_Accept()


def reject(code: str, message: str) -> Verdict:
    return Verdict_Reject([Problem(code=code, message=message, pointer="/amount")])


def amount_of(payload: Payload) -> Optional[float]:
    if not isinstance(payload, Payload_Json):
        return None
    amount = object_of(payload.value).get("amount")
    return amount if isinstance(amount, float) else None


def object_of(text: str) -> dict[str, Any]:
    """A JSON text that is an object. Every number becomes a float: JSON has one kind of number, and True is an int to Python."""
    value = json.loads(text, parse_int=float)
    return value if isinstance(value, dict) else {}
