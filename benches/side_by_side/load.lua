-- A request for each line of a file of session tokens, in turn; without a file, requests without a token. SKIP lines are
-- left out first, so that rounds of new users follow each other. TARGETS are taken in turn, too.

local path = os.getenv("TOKENS")
local skip = tonumber(os.getenv("SKIP") or "0")
local body = os.getenv("BODY") or ""
local few = 20000

local targets, last = {}, 0
for target in os.getenv("TARGETS"):gmatch("%S+") do targets[#targets + 1] = target end

local fields = " HTTP/1.1\r\nHost: " .. os.getenv("HOST") .. "\r\nUser-Agent: bench\r\nAccept: */*\r\n"
if #body > 0 then
    fields = fields .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n"
end
local heads = {}
for at, target in ipairs(targets) do heads[at] = os.getenv("METHOD") .. " " .. target .. fields end

local function ask(token)
    last = last % #heads + 1
    if not token then return heads[last] .. "\r\n" .. body end
    return heads[last] .. "Authorization: Bearer " .. token .. "\r\n\r\n" .. body
end

-- So many requests are made beforehand.
local function prepared(tokens, count)
    local requests, at = {}, 0
    for number = 1, count do requests[number] = ask(tokens and tokens[(number - 1) % #tokens + 1]) end
    return function()
        at = at % count + 1
        return requests[at]
    end
end

if not path then
    request = prepared(nil, #targets)
    return
end

local file = assert(io.open(path, "r"))
local size = file:seek("end")
file:seek("set")
local line_bytes = #file:read("*l") + 1
file:seek("set")

if size / line_bytes <= few then
    local tokens = {}
    for line in file:lines() do tokens[#tokens + 1] = line end
    request = prepared(tokens, math.max(#tokens, #targets))
else
    file:seek("set", line_bytes * skip % size)
    request = function()
        local line = file:read("*l")
        if not line then
            file:seek("set")
            line = file:read("*l")
        end
        return ask(line)
    end
end
