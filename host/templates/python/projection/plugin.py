"""Counts events by their types."""

from collections import Counter
from typing import List, Optional, Tuple

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Manifest
from wit_world.imports import view
from wit_world.imports.types import Event, Payload, Payload_Json, Problem


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Manifest:
        return Manifest(
            name="{{name}}",
            version="0.1.0",
            description="Counts events by their types",
            interests=[],
            state_version=1,
            config_schema=None,
            wishes=[],
        )

    def init(self, config_json: str) -> None:
        pass


class Projecting(exports.Projecting):
    def apply(self, batch: List[Event]) -> None:
        """Reads and writes the view once a batch: crossing the border costs more than the work itself."""
        counts = Counter(event.event_type for event in batch)
        stored = view.get_many(list(counts))
        entries = [(name, count + read(value)) for (name, count), value in zip(counts.items(), stored)]
        view.put_many([(name, Payload_Json(str(count))) for name, count in entries])


class Querying(exports.Querying):
    def query(self, name: str, params: List[Tuple[str, str]]) -> str:
        if name != "total":
            raise Err(Problem(code="unknown-query", message=f"there is no query '{name}'", pointer=None))
        total, after = 0, None
        while page := view.scan("", after, 256):
            for key, value in page:
                after = key
                total += read(value)
        return str(total)


def read(value: Optional[Payload]) -> int:
    return int(value.value) if isinstance(value, Payload_Json) else 0
