"""What the Python framework makes of records, for tests/decoding/against_python.rs.

`oracle.py decode` reads JSON lines: first {"schemas": [writer's schema, ...]}, then one {"schema": index,
"route": "mcl" or "pe", "value": base64 of the record's value, "offset": number} for each record. It answers
each record with one JSON line: {"event": what the framework's EventEnvelope.as_json() gives, parsed},
{"event": null} if the framework hands nothing on, or {"error": the exception}.

`oracle.py schemas` reads names of schemas, one JSON string a line, and answers each with the schema that
the framework's package carries under that name.
"""

import base64
import io
import json
import pathlib
import sys

import datahub.metadata
import fastavro
from datahub.metadata.schema_classes import ChangeTypeClass
from datahub_actions.event.event_envelope import EventEnvelope
from datahub_actions.event.event_registry import METADATA_CHANGE_LOG_EVENT_V1_TYPE
from datahub_actions.plugin.source.kafka.kafka_event_source import (
    KafkaEventSource,
    build_kafka_meta,
    build_metadata_change_log_event,
)

KNOWN_CHANGE_TYPES = {
    value for name, value in vars(ChangeTypeClass).items() if name.isupper() and isinstance(value, str)
}


class Message:
    """The part of a Kafka client's message that the framework looks at."""

    def __init__(self, record, topic, offset):
        self._record, self._topic, self._offset = record, topic, offset

    def value(self):
        return self._record

    def topic(self):
        return self._topic

    def partition(self):
        return 3

    def offset(self):
        return self._offset


def change_log(message):
    # The framework raises on a change type that it does not know; this program passes it on. To compare
    # the rest of such a record, a known one stands in for it.
    record = message.value()
    change_type = record["changeType"]
    if change_type not in KNOWN_CHANGE_TYPES:
        record["changeType"] = "UPSERT"
    event = build_metadata_change_log_event(message)
    envelope = EventEnvelope(METADATA_CHANGE_LOG_EVENT_V1_TYPE, event, build_kafka_meta(message))
    answer = json.loads(envelope.as_json())
    answer["event"]["changeType"] = change_type
    return answer


def platform_event(message):
    envelopes = list(KafkaEventSource.handle_pe(message))
    return json.loads(envelopes[0].as_json()) if envelopes else None


def decode(lines):
    schemas = [fastavro.parse_schema(schema) for schema in next(lines)["schemas"]]
    for line in lines:
        body = io.BytesIO(base64.b64decode(line["value"])[5:])
        try:
            record = fastavro.schemaless_reader(body, schemas[line["schema"]], None)
            message = Message(record, line["route"], line["offset"])
            read = change_log if line["route"] == "mcl" else platform_event
            yield {"event": read(message)}
        except Exception as error:
            yield {"error": f"{type(error).__name__}: {error}"}


def published_schemas(names):
    folder = pathlib.Path(datahub.metadata.__file__).parent / "schemas"
    for name in names:
        yield json.loads((folder / f"{name}.avsc").read_text())


if __name__ == "__main__":
    command = {"decode": decode, "schemas": published_schemas}[sys.argv[1]]
    for answer in command(json.loads(line) for line in sys.stdin):
        print(json.dumps(answer))
