"""What the Python framework's own filters make of events.

Reads one case a line from standard input, {"kind", "config", "event_type", "event"}, and answers each
with a line: true or false. `kind` is "filters" (EventTypeFilter) or "filter" (FilterTransformer).
"""

import json
import sys

from datahub_actions.pipeline.pipeline_context import PipelineContext
from datahub_actions.plugin.filter.event_type_filter import EventTypeFilter
from datahub_actions.plugin.transform.filter.filter_transformer import FilterTransformer


class Event:
    """As much of an event as the filters look at."""

    def __init__(self, body):
        self.body = body

    def as_json(self):
        return json.dumps(self.body)


class Envelope:
    def __init__(self, event_type, body):
        self.event_type = event_type
        self.event = Event(body)


def passes(case, context):
    envelope = Envelope(case["event_type"], case["event"])
    if case["kind"] == "filters":
        return EventTypeFilter.create(case["config"], context).matches(envelope)
    return FilterTransformer.create(case["config"], context).transform(envelope) is not None


def main():
    context = PipelineContext("test", None)
    for line in sys.stdin:
        print("true" if passes(json.loads(line), context) else "false")


if __name__ == "__main__":
    main()
