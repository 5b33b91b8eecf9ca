"""Keeps, for every stream of payments, how many there were, the sum of their amounts and the last one's position."""

import json
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Interest, Manifest
from wit_world.imports import view
from wit_world.imports.types import Event, Payload, Payload_Json, Problem

PAGE_KEYS = 256
# Beyond 2^53 a JSON number is no longer the one that was written: such an amount counts as none.
INTEGER_MAX = 2**53 - 1


@dataclass
class Totals:
    count: int = 0
    sum: int = 0
    last: int = 0


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Manifest:
        return Manifest(
            name="totals",
            version="1.0.0",
            description="Count, sum and last position of the payments of every stream",
            interests=[Interest(topics=[], event_types=["payment-*"])],
            state_version=1,
            config_schema=None,
            wishes=[],
        )

    def init(self, config_json: str) -> None:
        pass


class Projecting(exports.Projecting):
    def apply(self, batch: List[Event]) -> None:
        """Reads and writes the view once a batch: crossing the border costs more than the work itself."""
        keys = list(dict.fromkeys(event.stream for event in batch if event.stream is not None))
        totals = {key: read(value) for key, value in zip(keys, view.get_many(keys))}
        for event in batch:
            if event.stream is not None:
                entry = totals[event.stream]
                entry.count += 1
                entry.sum += amount_of(event.payload)
                entry.last = event.position
        view.put_many([(key, write(entry)) for key, entry in totals.items()])


class Querying(exports.Querying):
    def query(self, name: str, params: List[Tuple[str, str]]) -> str:
        """`stream`, as often as one likes, asks for those alone."""
        streams = {value for key, value in params if key == "stream"}
        asked = [entry for stream, entry in entries() if not streams or stream in streams]
        if name == "count":
            return str(len(asked))
        if name == "total":
            return str(sum(entry.sum for entry in asked))
        raise Err(Problem(code="unknown-query", message=f"there is no query '{name}'", pointer=None))


def entries() -> Iterator[Tuple[str, Totals]]:
    """All entries of the view, page by page, until a page is empty: the host may answer with less than was asked for."""
    after = None
    while page := view.scan("", after, PAGE_KEYS):
        for key, value in page:
            after = key
            yield key, read(value)


def write(entry: Totals) -> Payload:
    return Payload_Json(f'{{"count":{entry.count},"sum":{entry.sum},"last":{entry.last}}}')


def read(value: Optional[Payload]) -> Totals:
    return Totals(**json.loads(value.value)) if isinstance(value, Payload_Json) else Totals()


def amount_of(payload: Payload) -> int:
    """Every number is read as a float: JSON has one kind of number, and True is an int to Python."""
    value = json.loads(payload.value, parse_int=float) if isinstance(payload, Payload_Json) else None
    amount = value.get("amount") if isinstance(value, dict) else None
    integer = isinstance(amount, float) and amount.is_integer() and abs(amount) <= INTEGER_MAX
    return int(amount) if integer else 0
