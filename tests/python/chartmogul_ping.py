"""ChartMogul's own client, unchanged but for the base URL: prints what `Ping` gives for a key."""

import os

import chartmogul

chartmogul.Config.uri = os.environ["EDGE_URL"] + "/v1"
config = chartmogul.Config(os.environ["API_KEY"], max_retries=0)
try:
    print(chartmogul.Ping.ping(config).get().data)
except chartmogul.APIError as error:
    print("APIError", error.args[0].decode())
