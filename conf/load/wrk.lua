-- Every request is another user's, in turn; each thread has users of its own.
--
--   wrk -t2 -c64 -d30s -s conf/load/wrk.lua http://127.0.0.1:8080/_chat/usersig -- load/users.tsv
--
-- The exit code is 1 when an answer was no success or did not come.

local list = {}

function setup(thread)
    thread:set("number", #list)
    list[#list + 1] = thread
    -- All are set up before any of them starts.
    for _, one in ipairs(list) do
        one:set("threads", #list)
    end
end

function init(args)
    local name = args[1] or "load/users.tsv"
    local file = assert(io.open(name), name .. " cannot be read")
    headers = {}
    local line_number = 0
    for line in file:lines() do
        if line_number % threads == number then
            local token = line:match("^[^\t]*\t[^\t]*\t([^\t]+)\t")
            headers[#headers + 1] = { ["Authorization"] = "Bearer " .. token }
        end
        line_number = line_number + 1
    end
    file:close()
    assert(#headers > 0, name .. " has fewer users than there are threads")
    next_user = 0
end

function request()
    next_user = next_user % #headers + 1
    return wrk.format(nil, nil, headers[next_user])
end

function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format("requests %d, failed %d, p99 %.2f ms\n", summary.requests, failed, latency:percentile(99) / 1000))
    os.exit(failed == 0 and summary.requests > 0)
end
