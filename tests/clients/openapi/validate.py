"""Holds the server's OpenAPI document against the specification; the last line says how many operations it has."""

import json
import sys
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator

with urllib.request.urlopen(sys.argv[1] + "/openapi.json", timeout=30) as answer:
    document = json.load(answer)
OpenAPIV31SpecValidator(document).validate()
print(json.dumps({"compared": sum(len(item) for item in document["paths"].values())}))
