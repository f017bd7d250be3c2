-- post.lua - wrk sends one fixed POST: $BODY is a file, $HEADERS "Name: value" lines
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
for name, value in string.gmatch(os.getenv("HEADERS") or "", "([^:\n]+): ([^\n]*)") do
	wrk.headers[name] = value
end

function done(summary, latency)
	io.write(string.format("RESULT %.1f %d %.3f %.3f\n",
		summary.requests / (summary.duration / 1e6),
		summary.errors.status + summary.errors.read + summary.errors.timeout + summary.errors.connect,
		latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
