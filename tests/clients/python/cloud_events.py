"""Talks CloudEvents to a server with the CloudEvents SDK for Python, as a user's program would.

Every event of `events` is sent in structured, binary and batched mode and read back in all of them; whatever the SDK
finds in an answer must be what was sent. The last line on stdout says how many comparisons that were.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from urllib.parse import urlsplit

from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_binary_event,
    from_http_event,
    from_structured_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v03.event import CloudEvent as CloudEvent03
from cloudevents.core.v1.event import CloudEvent

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = "application/cloudevents"
FACTS = {"weirid", "weirtopic", "weirsequence", "weirposition", "weirversion", "weirtime"}

base = urlsplit(sys.argv[1])
compared = 0


def call(method, path, headers=None, body=None):
    connection = HTTPConnection(base.hostname, base.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        message = HTTPMessage(headers={name.lower(): value for name, value in answer.getheaders()}, body=answer.read())
        return answer.status, message
    finally:
        connection.close()


def publish(path, message):
    """Sends what the SDK made, and gives back the events' ids."""
    status, answer = call("POST", path, message.headers, message.body)
    assert status == 201, (status, answer.body)
    return json.loads(answer.body)["eventIds"]


def fetch(path, accept):
    status, answer = call("GET", path, {"accept": accept})
    assert status == 200, (status, answer.body)
    return answer


def compare(sent, found, only_strings, implies_json=False):
    """Attributes but for the server's own, and data. Headers have strings only, and name the content type."""
    global compared
    plain = (lambda value: value if isinstance(value, datetime) else str(value).lower()) if only_strings else lambda value: value
    wanted = {name: plain(value) for name, value in sent.get_attributes().items()}
    got = {name: plain(value) for name, value in found.get_attributes().items() if name not in FACTS}
    if implies_json and "datacontenttype" not in wanted:
        assert got.pop("datacontenttype", None) in (None, "application/json"), found.get_attributes()
    assert got == wanted, (wanted, got)
    data = found.get_data()
    # In headers, text is sent as bytes, which JSON has as base64.
    if only_strings and isinstance(sent.get_data(), str) and isinstance(data, bytes):
        data = data.decode()
    assert data == sent.get_data() and isinstance(data, type(sent.get_data())), (sent.get_data(), data)
    compared += 1


def read_back(event, id, is_binary):
    """The event in every mode; `is_binary` tells that it was sent in headers, where all values are strings."""
    answer = fetch(f"/events/{id}", STRUCTURED)
    assert answer.headers["content-type"] == STRUCTURED, answer.headers
    compare(event, from_structured_event(answer), is_binary)
    answer = fetch(f"/events/{id}", BINARY)
    assert answer.headers["ce-weirid"] == id, answer.headers
    compare(event, from_binary_event(answer), True, implies_json=True)
    compare(event, from_http_event(answer), True, implies_json=True)


def read_list(path):
    answer = fetch(path, BATCH)
    assert answer.headers["content-type"] == BATCH, answer.headers
    # The SDK has no batches: a batch is an array of what it can read.
    return [JSONFormat().read(CloudEvent, json.dumps(event)) for event in json.loads(answer.body)]


def made(data=None, **attributes):
    needed = {"type": "com.example.thing.made", "source": "https://example.com/things?a=b#c"}
    return CloudEvent({**needed, **attributes}, data)


def events():
    """Anew for each mode, as ids must be unique."""
    moment = datetime(2026, 1, 31, 10, 20, 30, 123456, tzinfo=timezone.utc)
    return [
        made({"total": 17.5, "lines": [{"name": "Größe €"}]}),
        made({"a": None}, datacontenttype="application/json; charset=utf-8", dataschema="https://example.com/s#/a"),
        made({}, datacontenttype="application/vnd.example+json", subject='Euro € 😀 "quoted" 100% a,b;c\\'),
        made(b"\x00\xff\x80 not text", datacontenttype="image/png"),
        made("<a b='ü'/>", datacontenttype="text/xml; charset=utf-8"),
        made(None, subject="nothing to say"),
        made({"n": 1}, time=moment),
        made({"n": 2}, time=moment.astimezone(timezone(timedelta(hours=5, minutes=30)))),
        made({"n": 3}, priority=5, negative=-2147483648, urgent=True, quiet=False, five="5", truth="true"),
        made({"n": 4}, traceparent="00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01", tracestate="a=1,b=2"),
        made({"n": 5}, topic="theirs", stream="theirs", sequence="00042", partitionkey="a b"),
        made({"n": 6}, weirstream="order:1", weirtags='["a","b,c ü"]', weirmetadata='{"Not a name":"two\\nlines"}'),
    ]


def singly():
    for event in events():
        (id,) = publish("/topics/orders/events", to_structured_event(event))
        read_back(event, id, is_binary=False)
    for event in events():
        (id,) = publish("/topics/orders/events", to_binary_event(event))
        read_back(event, id, is_binary=True)
    (id,) = publish("/events", to_structured_event(made({"n": 7}, weirtopic="orders")))
    (id2,) = publish("/events", to_binary_event(made({"n": 8}, topic="orders")))
    assert id.startswith("orders-") and id2.startswith("orders-"), (id, id2)


def in_batches():
    global compared
    batch = events()
    body = b"[" + b",".join(JSONFormat().write(event) for event in batch) + b"]"
    ids = publish("/topics/batches/events", HTTPMessage({"content-type": BATCH}, body))
    for sent, id in zip(batch, ids, strict=True):
        read_back(sent, id, is_binary=False)
    for path in ["/topics/batches/events", "/events?from=" + fetch(f"/events/{ids[0]}", BINARY).headers["ce-weirposition"]]:
        found = read_list(path)
        assert [event.get_extension("weirid") for event in found] == ids, path
        for sent, event in zip(batch, found, strict=True):
            compare(sent, event, False)
    (in_stream,) = read_list("/topics/batches/streams/order:1")
    compare(batch[-1], in_stream, False)
    assert read_list("/topics/batches/events?from=1000000") == []


def that_never_were():
    """Events that were published in the ordinary way are CloudEvents for who asks for them."""
    global compared
    body = json.dumps({
        "type": "made", "payload": {"n": 1}, "stream": "order:1", "tags": ["a,b"],
        "metadata": {"actor": "ann", "Not a name": "x\ny"},
    })
    (id,) = publish("/topics/plain/events", HTTPMessage({"content-type": "application/json"}, body.encode()))
    for accept, parse in [(STRUCTURED, from_structured_event), (BINARY, from_binary_event)]:
        found = parse(fetch(f"/events/{id}", accept))
        assert (found.get_id(), found.get_source(), found.get_type()) == (id, "/topics/plain", "made"), found
        assert found.get_data() == {"n": 1} and found.get_datacontenttype() == "application/json", found
        assert found.get_time() is not None and found.get_extension("actor") == "ann", found
        assert json.loads(found.get_extension("weirtags")) == ["a,b"], found
        assert json.loads(found.get_extension("weirmetadata")) == {"Not a name": "x\ny"}, found
        assert (found.get_extension("weirstream"), found.get_extension("weirversion")) == ("order:1", "1"), found
        compared += 1
        # What came out goes in again, and is the same CloudEvent there.
        (copy,) = publish("/topics/copies/events", to_structured_event(found))
        compare_copy(found, from_structured_event(fetch(f"/events/{copy}", STRUCTURED)))


def compare_copy(one, other):
    global compared
    own = lambda event: {name: value for name, value in event.get_attributes().items() if name not in FACTS}
    assert own(one) == own(other) and one.get_data() == other.get_data(), (own(one), own(other))
    compared += 1


def refused():
    """An older version of the specification is told so, in both modes."""
    global compared
    old = CloudEvent03({"type": "made", "source": "/s", "specversion": "0.3", "id": "1"}, {"n": 1})
    for message in [to_structured_event(old), to_binary_event(old)]:
        status, answer = call("POST", "/topics/orders/events", message.headers, message.body)
        problem = json.loads(answer.body)
        assert status == 400 and problem["code"] == "INVALID_CLOUD_EVENT", problem
        assert problem["errors"][0]["attribute"] == "specversion", problem
        compared += 1


for story in [singly, in_batches, that_never_were, refused]:
    story()
print(json.dumps({"compared": compared}))
