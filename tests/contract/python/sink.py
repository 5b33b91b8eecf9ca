"""Posts payloads to the URL of its consumer. See ../README.md."""

from typing import List, Optional, Tuple

import common
from common import problem
from componentize_py_types import Err, Ok, Result
from wit_world import exports
from wit_world.exports.lifecycle import HttpWish, Wish_Http, Wish_Secret
from wit_world.exports.sinking import Receipt, Rest, Rest_Done, Rest_Gone, Rest_Poison, Rest_Retry, Retry, Target
from wit_world.imports import clock, http, log
from wit_world.imports.types import Event, Payload, Payload_Json

ERRORS = {http.HttpError_Timeout: "timeout", http.HttpError_Connect: "connect", http.HttpError_TooLarge: "too-large"}


class Lifecycle(common.Lifecycle):
    name = "contract-sink"
    description = "Posts payloads"
    wishes = [Wish_Http(HttpWish(host="*", methods=["POST"])), Wish_Secret("TOKEN")]


class Sinking(exports.Sinking):
    def check(self, target: Target) -> None:
        if url_of(target) is None:
            raise Err([problem("no-url", "the target needs a url", "/url")])

    def deliver(self, target: Target, batch: List[Event]) -> Receipt:
        log.write(log.Level.INFO, "deliver", [("target", target.id), ("now-ms", str(clock.now_ms()))])
        requests = [request(url_of(target) or "", event.payload) for event in batch]
        answers = [send(requests[0])] if len(requests) == 1 else http.send_all(requests)
        for accepted, answer in enumerate(answers):
            rest = meaning(answer)
            if not isinstance(rest, Rest_Done):
                return Receipt(accepted, rest)
        return Receipt(len(batch), Rest_Done())


def send(request: http.Request) -> Result[http.Response, http.HttpError]:
    try:
        return Ok(http.send(request))
    except Err as error:
        return error


def request(url: str, payload: Payload) -> http.Request:
    is_json = isinstance(payload, Payload_Json)
    body = payload.value.encode() if is_json else payload.value
    content_type = "application/json" if is_json else "application/octet-stream"
    headers = [("content-type", content_type), ("authorization", "Bearer {{secret:TOKEN}}")]
    return http.Request("POST", url, headers, body or None, 10_000)


def meaning(answer: Result[http.Response, http.HttpError]) -> Rest:
    """What an answer means for its event."""
    if isinstance(answer, Err):
        if isinstance(answer.value, http.HttpError_Denied):
            return Rest_Poison(problem("denied", answer.value.value))
        return Rest_Retry(Retry(None, ERRORS.get(type(answer.value), "protocol")))
    status = answer.value.status
    if 200 <= status < 300:
        return Rest_Done()
    reason = f"status {status}: {answer.value.body.decode()}"
    if status == 503:
        return Rest_Retry(Retry(after_ms(answer.value.headers), reason))
    refused = problem(f"status-{status}", reason)
    return Rest_Gone(refused) if status == 410 else Rest_Poison(refused)


def after_ms(headers: List[Tuple[str, str]]) -> Optional[int]:
    waits = [int(value) * 1000 for name, value in headers if name.lower() == "retry-after"]
    return waits[0] if waits else None


def url_of(target: Target) -> Optional[str]:
    url = common.object_of(target.config_json).get("url")
    return url if isinstance(url, str) else None
