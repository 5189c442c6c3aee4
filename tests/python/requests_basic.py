"""Python's `requests` with the key as user: prints status and body for each path that is given."""

import os
import sys

import requests

for path in sys.argv[1:]:
    answer = requests.get(
        os.environ["EDGE_URL"] + path,
        auth=(os.environ["API_KEY"], ""),
        timeout=20,
        allow_redirects=False,
    )
    print(answer.status_code, answer.text)
