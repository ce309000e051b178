"""Checks contracts against the JSON schema of the Open Data Contract Standard."""

import json
import sys

import jsonschema
import yaml

schema = json.load(open(sys.argv[1]))
for path in sys.argv[2:]:
    jsonschema.Draft201909Validator(schema).validate(yaml.safe_load(open(path)))
    print(f"ok  {path}")
