"""What schemathesis can't know of a server: which topics there are, and which rules no schema has words for."""

import itertools
import os

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

TOPICS = os.environ["WEIR_TOPICS"].split(",")
SCHEMA_TOPIC = os.environ["WEIR_SCHEMA_TOPIC"]
# Pausing the plugins that all others rely on would make every publish a 503, as it should be.
SPARE_PLUGIN = os.environ["WEIR_PLUGIN"]
NEEDED_PLUGINS = ["schema", "webhook", "counter"]
# Who decides for TOPICS' "counters"; any other name is one that is not there, and so a 503, as it should be.
DECIDER = "counter"
COMMANDS = ["add", "sub", "dance"]
# Which hosts may be called is the operator's word, and none but these are called from here.
CALLBACKS = ["http://127.0.0.1:9/hook", "HTTP://127.0.0.1:9/?a=b#c", "http://[::1]:9"]

WISH = itertools.count()

# What depends on what there is already, and schemas of topics, which have a schema of their own that is not repeated here.
STATE = {
    "ADAPTER_UNKNOWN",
    "INVALID_DECIDER",
    "INVALID_SCHEMA",
    "NO_DECIDER",
    "SCHEMA_REMOVAL_NOT_ALLOWED",
    "SINK_UNKNOWN",
    "STORES_MIXED",
    "TOPIC_CREATION_FAILED",
    "TOPIC_NOT_FOUND",
    # Of a socket for commands, which is asked for without one here.
    "UPGRADE_REQUIRED",
}
# What parts of a request have to do with each other.
RELATIONS = {
    "INVALID_CONDITION": ["are about one stream", "say which topic the stream is of"],
    "INVALID_EVENT": ["expectedVersion needs a stream", "in the body is not topic"],
    # A schema counts characters.
    "INVALID_NAME": ["is longer than 200 bytes"],
    "INVALID_IDEMPOTENCY_KEY": ["does what Idempotency-Key does"],
    "INVALID_REQUEST": ["must be null or the id of its last event", "initialDelayMs <= maxDelayMs"],
}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Random names hit nothing. Where a path names a topic it is mostly one that is there, and in bodies always."""
    schemas = raw_schema["components"]["schemas"]
    schemas["KnownTopic"] = {"enum": TOPICS}
    known = {"$ref": "#/components/schemas/KnownTopic"}
    for form in schemas["NewEvent"]["anyOf"]:
        form["properties"]["topic"] = known
    for form in schemas["NewConsumer"]["anyOf"]:
        form["properties"]["callback"] = {"enum": CALLBACKS}
        form["properties"]["topics"].update(propertyNames=known, additionalProperties={"type": "null"})
    schemas["NewConsumer"]["anyOf"][0]["properties"]["sink"] = {"enum": ["webhook", None]}
    for form in schemas["NewTopic"]["anyOf"] + schemas["TopicChange"]["anyOf"]:
        own = form["properties"]["decider"]
        form["properties"]["decider"] = {"enum": [DECIDER, None] if "anyOf" in own else [DECIDER]}
    for form in schemas["NewCommand"]["anyOf"]:
        form["properties"]["targetName"] = known
        form["properties"]["name"] = {"anyOf": [{"enum": COMMANDS}, form["properties"]["name"]]}
    change = schemas["TopicChange"]["anyOf"][0]["properties"]
    change["schemas"] = {"anyOf": [{"const": [{"eventType": "made", "type": "object"}]}, change["schemas"]]}
    schemas["CloudEvent"]["anyOf"][0]["properties"]["weirtopic"] = known
    for path, item in raw_schema["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", []):
                place = (parameter["in"], parameter["name"])
                if place == ("path", "topic"):
                    parameter["schema"] = {"anyOf": [known, parameter["schema"]]}
                    if method == "put":
                        # Another topic without schemas is an open one, which it must stay for the other requests.
                        parameter["schema"] = {"enum": [SCHEMA_TOPIC]}
                elif place == ("path", "version"):
                    parameter["schema"] = {"anyOf": [{"const": 1}, parameter["schema"]]}
                elif place == ("path", "name") and path.startswith("/aggregates/"):
                    parameter["schema"] = {"anyOf": [{"enum": COMMANDS}, parameter["schema"]]}
                elif place == ("path", "name") and method == "post":
                    parameter["schema"] = {"enum": [SPARE_PLUGIN]}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Asks for every format, which OpenAPI has no parameter for, does not wait long for what never comes, and keeps the
    server able to work."""
    formats = case.operation.definition.raw["responses"].get("200", {}).get("content", {})
    if case.method.upper() == "GET" and not (case.headers or {}).get("Accept"):
        wishes = [*formats, "*/*"]
        case.headers["Accept"] = wishes[next(WISH) % len(wishes)]
    if str((case.query or {}).get("wait")) in map(str, range(2, 61)):
        case.query["wait"] = 1
    if case.operation.path.startswith("/plugins/") and case.method.upper() == "POST":
        # One request of a sequence hands its plugin to the next one.
        if case.path_parameters.get("name") in NEEDED_PLUGINS:
            case.path_parameters["name"] = SPARE_PLUGIN


def has_whole_fraction(body):
    """Whether some number of a body, but for payloads, is written like 1.0."""
    if isinstance(body, dict):
        return any(has_whole_fraction(value) for name, value in body.items() if name not in ("payload", "data"))
    if isinstance(body, list):
        return any(map(has_whole_fraction, body))
    return isinstance(body, float) and body.is_integer()


def is_beyond_schemas(error):
    """What data may be depends on its content type, two attributes have JSON in their text, and one needs another."""
    attribute = error.get("attribute")
    return attribute in ("data", "weirtags", "weirmetadata") or (
        attribute == "weirexpectedversion" and "needs a stream" in error["message"]
    )


def excused(case, problem):
    """Whether a request that its schema allows was refused for a rule that no schema can say."""
    code, detail = problem["code"], problem["detail"]
    if code.startswith("INVALID_") and has_whole_fraction(case.body):
        # To JSON Schema 1.0 is a whole number, to Weir it is a number with a fraction.
        return True
    query, headers = case.query or {}, case.headers or {}
    if code == "INVALID_QUERY" and headers.get("Accept") == "text/event-stream":
        # A follower goes forward and waits by itself, and a browser comes back with an event of the topic.
        return bool({"wait", "direction", "sinceEventId"} & set(query)) or "Last-Event-ID" in headers
    if code == "INVALID_QUERY":
        # Only one of the two says where to begin, and the event must be there.
        return "sinceEventId" in query or "from needs a tenant" in detail
    if code in RELATIONS:
        return any(relation in detail for relation in RELATIONS[code])
    if code == "EVENT_PUBLISH_FAILED":
        # Which payloads a topic takes, its own schemas say.
        return problem.get("plugin") == "schema"
    if code == "INVALID_CLOUD_EVENT":
        return all(is_beyond_schemas(error) for error in problem["errors"])
    return code in STATE


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, RejectedPositiveData) and response.status_code in (400, 426):
        return not excused(case, response.json())
    return True
