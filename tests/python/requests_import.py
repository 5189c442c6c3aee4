"""Python's `requests` sends a file of lines and reads nothing before all is sent: prints status and lines."""

import os
import sys

import requests

with open(sys.argv[1], "rb") as lines:
    answer = requests.post(
        os.environ["API_URL"] + "/v1/keys/import",
        data=lines,
        headers={"Content-Type": "application/x-ndjson", "Authorization": "Bearer " + os.environ["API_TOKEN"]},
        timeout=120,
    )
print(answer.status_code, answer.text.count("\n"))
