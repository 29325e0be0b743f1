"""Validates recipes against their JSON schema: SCHEMA --right FILE... --wrong FILE..."""

import json
import sys

import jsonschema
import yaml

RIGHT_INLINE = [
    # Secrets from files, text as a file, text for numbers and flags, variables for names.
    """
name: p
enabled: ${ENABLED:-true}
source:
  type: kafka
  config:
    connection:
      schema_registry_config: {basic.auth.user.info_file: /run/secrets/registry}
      consumer_config: {sasl.password_file: /run/secrets/kafka, session.timeout.ms: 6000}
action:
  type: webhook
  config: {url_file: /run/secrets/url, timeout_seconds: "5", __DATAHUB_TO_FILE_ca_certificate_path: PEM}
options: {retry_count: "${RETRIES:-3}", ordering: "${ORDERING:-key}", commit: 10s}
""",
]


def main() -> int:
    schema_file, *arguments = sys.argv[1:]
    with open(schema_file) as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    split = arguments.index("--wrong")
    surprises = 0
    recipes = [(name, open(name).read(), True) for name in arguments[1:split]]
    recipes += [(f"inline {index}", text, True) for index, text in enumerate(RIGHT_INLINE)]
    recipes += [(name, open(name).read(), False) for name in arguments[split + 1 :]]
    for name, text, right in recipes:
        errors = [error.message for error in validator.iter_errors(yaml.safe_load(text))]
        if right == bool(errors):
            surprises += 1
            print(f"{name}: meant to be {'right' if right else 'wrong'}, found {errors}")
    return surprises


if __name__ == "__main__":
    sys.exit(main())
