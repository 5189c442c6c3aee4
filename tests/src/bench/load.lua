-- What wrk asks: the paths and credentials of a file, one request a line, in their order and around.
-- Requests are made before the clock starts; the figures come out as one line of JSON.

local requests = {}
local at = 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, authorization = line:match("^(%S+) ?(.*)$")
    local headers = {}
    if authorization ~= "" then headers["authorization"] = authorization end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"refused":%d,"failed":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(99)))
end
