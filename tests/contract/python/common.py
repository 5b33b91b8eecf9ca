"""What the plugins of this folder share."""

import json
from typing import Any, List, Optional

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Interest, Manifest, Wish
from wit_world.imports.types import Payload, Payload_Bytes, Payload_Json, Problem

# Bytes that are neither text nor JSON.
RAW = Payload_Bytes(bytes([0, 1, 255]))


class Lifecycle(exports.Lifecycle):
    """The same for all kinds but for what a class of theirs says."""

    name: str
    description: str
    interests: List[Interest] = []
    wishes: List[Wish] = []

    def describe(self) -> Manifest:
        return Manifest(
            name=self.name,
            version="1.0.0",
            description=self.description,
            interests=self.interests,
            state_version=1,
            config_schema='{"type":"object"}',
            wishes=self.wishes,
        )

    def init(self, config_json: str) -> None:
        if "refuse" in object_of(config_json):
            raise Err("told to refuse")


def problem(code: str, message: str, pointer: Optional[str] = None) -> Problem:
    return Problem(code=code, message=message, pointer=pointer)


def as_json(value: Any) -> Payload:
    return Payload_Json(json.dumps(value))


def integer(payload: Optional[Payload], name: str) -> Optional[int]:
    """A member of a payload that is a whole number. True is an int to Python, and 1.0 is none; hence the floats."""
    value = object_of(payload.value).get(name) if isinstance(payload, Payload_Json) else None
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if is_whole else None


def object_of(text: str) -> dict[str, Any]:
    """A JSON text that is an object."""
    value = json.loads(text, parse_int=float)
    return value if isinstance(value, dict) else {}
