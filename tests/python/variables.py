"""Answers each line of JSON, a text, with what the framework's loader makes of it, or with what it says."""

import json
import sys

from datahub.configuration.config_loader import resolve_env_variables

VARIABLES = {"HOST": "broker", "PORT": "9092", "EMPTY": "", "BRACE": "a}b$HOST"}

for line in sys.stdin:
    try:
        answer = {"value": resolve_env_variables({"x": json.loads(line)}, VARIABLES)["x"]}
    except Exception as error:  # noqa: BLE001 -- what it is, is the answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
