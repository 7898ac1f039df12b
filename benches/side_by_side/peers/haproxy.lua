-- The same job in HAProxy: verify an HS256 session token, or know it, and tell UserID and UserSig.

local zlib = require "zlib"
local capacity = tonumber(os.getenv("TOKENS_KNOWN"))
local app, chat_key, secret = os.getenv("SDK_APP_ID"), os.getenv("CHAT_KEY"), os.getenv("SECRET")
local issuer, audience = os.getenv("ISSUER"), os.getenv("AUDIENCE")

-- Two generations: when the young one is full, the old one is forgotten.
local young, old, count = {}, {}, 0

local function remember(token, known)
    if count >= capacity then young, old, count = {}, young, 0 end
    young[token], count = known, count + 1
end

local function find(token)
    local known = young[token]
    if known then return known end
    known = old[token]
    if known then remember(token, known) end
    return known
end

local function user_sig(c, user, now)
    local expire = 604800
    local text = "TLS.identifier:" .. user .. "\nTLS.sdkappid:" .. app .. "\nTLS.time:" .. now .. "\nTLS.expire:" .. expire .. "\n"
    local sig = c:base64(c:hmac(text, "sha256", chat_key))
    local json = '{"TLS.ver":"2.0","TLS.identifier":"' .. user .. '","TLS.sdkappid":' .. app .. ',"TLS.expire":' .. expire
        .. ',"TLS.time":' .. now .. ',"TLS.sig":"' .. sig .. '"}'
    local packed = zlib.deflate(6)(json, "finish")
    return (c:base64(packed):gsub("[+/=]", { ["+"] = "*", ["/"] = "-", ["="] = "_" }))
end

local function verify(c, token, now)
    if c:jwt_header_query(token, "$.alg") ~= "HS256" then return end
    if tostring(c:jwt_verify(token, "HS256", secret)) ~= "1" then return end
    local function claim(name) return c:jwt_payload_query(token, "$." .. name) end
    if claim("iss") ~= issuer or claim("aud") ~= audience then return end
    -- A number comes out of the query with six digits only.
    local payload = c:ub64dec(token:match("%.([^.]+)%."))
    local exp, user = tonumber(payload:match('"exp":(%d+)')), claim("sub")
    if not exp or exp <= now or not user then return end
    if not user:match("^[%w_-]+$") or #user > 32 or user == "administrator" then return end
    return { user = user, exp = exp, sig = user_sig(c, user, now) }
end

core.register_action("chat", { "http-req" }, function(txn)
    local authorization = txn.f:req_hdr("authorization")
    local token = authorization and authorization:match("^Bearer (.+)$")
    if not token then return end
    local now = core.now().sec
    local known = find(token)
    if not known or known.exp <= now then
        known = verify(txn.c, token, now)
        if not known then return end
        remember(token, known)
    end
    txn:set_var("txn.user", known.user)
    txn:set_var("txn.sig", known.sig)
end)
