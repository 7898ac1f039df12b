-- The storm itself: every request is another user's login to the sandbox, with the UserSig of the fixtures, as a Chat SDK's.
--
--   wrk -t2 -c64 -d30s -s conf/load/sandbox.lua http://127.0.0.1:8090/sandbox/login -- load/users.tsv 1400000000
--
-- The exit code is 1 when a login was refused. Each thread has users of its own and starts again at its end.

local list = {}

function setup(thread)
    thread:set("number", #list)
    list[#list + 1] = thread
    for _, one in ipairs(list) do
        one:set("threads", #list)
    end
end

function init(args)
    local name = args[1] or "load/users.tsv"
    local app = args[2] or "1400000000"
    local file = assert(io.open(name), name .. " cannot be read")
    bodies = {}
    refused = 0
    logged_in = 0
    local line_number = 0
    for line in file:lines() do
        if line_number % threads == number then
            local user, user_sig = line:match("^[^\t]*\t([^\t]*)\t[^\t]*\t(.*)$")
            bodies[#bodies + 1] = string.format('{"UserID":"%s","SDKAppID":%s,"UserSig":"%s"}', user, app, user_sig)
        end
        line_number = line_number + 1
    end
    file:close()
    assert(#bodies > 0, name .. " has fewer users than there are threads")
    next_user = 0
end

function request()
    next_user = next_user % #bodies + 1
    return wrk.format("POST", nil, nil, bodies[next_user])
end

-- Chat says in the body whether a login was one; its status is always 200.
function response(status, headers, body)
    if status == 200 and body:find('"ErrorCode":0', 1, true) then
        logged_in = logged_in + 1
    else
        refused = refused + 1
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    local good = 0
    for _, thread in ipairs(list) do
        failed = failed + thread:get("refused")
        good = good + thread:get("logged_in")
    end
    io.write(string.format("logins %d, failed %d, p99 %.2f ms\n", good, failed, latency:percentile(99) / 1000))
    os.exit(failed == 0 and good > 0)
end
