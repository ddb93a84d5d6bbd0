-- For wrk: POSTs the lines of the file BODIES in turn, and says the figures as one line that begins with "figures ".
-- A single line is sent without a call to Lua for each request.

local bodies, requests, at = {}, {}, 0
for body in io.lines(os.getenv("BODIES")) do
  bodies[#bodies + 1] = body
end

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = bodies[1]

if #bodies > 1 then
  function init()
    for n, body in ipairs(bodies) do
      requests[n] = wrk.format(nil, nil, nil, body)
    end
  end

  function request()
    at = at % #requests + 1
    return requests[at]
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'figures {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, ' ..
    '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect, e.read, e.write, e.timeout, e.status))
end
