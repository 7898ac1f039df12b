-- One request for each line of a file of session tokens, in turn; without a file, one without a token.
-- SKIP lines are left out first, so that rounds of new users follow each other.

local path = os.getenv("TOKENS")
local host = os.getenv("HOST")
local target = os.getenv("TARGET")
local skip = tonumber(os.getenv("SKIP") or "0")
local few = 20000

local head = "GET " .. target .. " HTTP/1.1\r\nHost: " .. host .. "\r\nUser-Agent: bench\r\nAccept: */*\r\n"

if not path then
    local plain = head .. "\r\n"
    request = function() return plain end
    return
end

local function with(token) return head .. "Authorization: Bearer " .. token .. "\r\n\r\n" end

local file = assert(io.open(path, "r"))
local size = file:seek("end")
file:seek("set")
local first = file:read("*l")
file:seek("set")

if size / #first <= few then
    local requests, count, at = {}, 0, 0
    for line in file:lines() do
        count = count + 1
        requests[count] = with(line)
    end
    request = function()
        at = at + 1
        if at > count then at = 1 end
        return requests[at]
    end
else
    -- Of nearly one length each, so that lines can be left out without reading them.
    if skip > 0 then
        file:seek("set", math.floor(size / (tonumber(os.getenv("LINES"))) * skip))
        file:read("*l")
    end
    request = function()
        local line = file:read("*l")
        if not line then
            file:seek("set")
            line = file:read("*l")
        end
        return with(line)
    end
end
