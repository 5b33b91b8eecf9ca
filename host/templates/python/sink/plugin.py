"""Posts every event to the URL of its consumer."""

import json
from typing import List, Optional

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import HttpWish, Manifest, Wish_Http
from wit_world.exports.sinking import Receipt, Rest_Done, Rest_Retry, Retry, Target
from wit_world.imports import http
from wit_world.imports.types import Event, Payload_Json, Problem


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Manifest:
        return Manifest(
            name="{{name}}",
            version="0.1.0",
            description="Posts every event to a URL",
            interests=[],
            state_version=0,
            config_schema=None,
            wishes=[Wish_Http(HttpWish(host="*", methods=["POST"]))],
        )

    def init(self, config_json: str) -> None:
        pass


class Sinking(exports.Sinking):
    def check(self, target: Target) -> None:
        if url_of(target) is None:
            raise Err([Problem(code="no-url", message="the target needs a 'url'", pointer="/url")])

    def deliver(self, target: Target, batch: List[Event]) -> Receipt:
        url = url_of(target) or ""
        for accepted, event in enumerate(batch):
            reason = post(url, event)
            if reason is not None:
                return Receipt(accepted, Rest_Retry(Retry(after_ms=None, reason=reason)))
        return Receipt(len(batch), Rest_Done())


def post(url: str, event: Event) -> Optional[str]:
    """Nothing if the other side took the event, else why not."""
    payload = json.loads(event.payload.value) if isinstance(event.payload, Payload_Json) else None
    body = json.dumps({"id": event.id, "type": event.event_type, "payload": payload}).encode()
    headers = [("content-type", "application/json")]
    try:
        status = http.send(http.Request("POST", url, headers, body, None)).status
    except Err as error:
        return f"no answer: {error.value}"
    return None if 200 <= status < 300 else f"status {status}"


def url_of(target: Target) -> Optional[str]:
    config = json.loads(target.config_json)
    url = config.get("url") if isinstance(config, dict) else None
    return url if isinstance(url, str) else None
