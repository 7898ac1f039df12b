-- The same job in nginx: verify an HS256 session token, or know it, and inject UserID and UserSig.

local ffi = require "ffi"
local cjson = require "cjson.safe"
local lrucache = require "resty.lrucache"

ffi.cdef[[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *data, size_t n, unsigned char *out, unsigned int *out_len);
int compress2(unsigned char *dest, unsigned long *dest_len, const unsigned char *source, unsigned long source_len, int level);
]]
local crypto = ffi.load("libcrypto.so.3")
local zlib = ffi.load("libz.so.1")
local sha256 = crypto.EVP_sha256()
local mac, mac_length = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")
local packed, packed_length = ffi.new("unsigned char[1024]"), ffi.new("unsigned long[1]")

local M = {}
local memory, settings

function M.init(with)
    settings = with
    memory = assert(lrucache.new(with.capacity))
end

local function hmac(key, text)
    crypto.HMAC(sha256, key, #key, text, #text, mac, mac_length)
    return ffi.string(mac, 32)
end

local function from_base64url(text)
    text = text:gsub("-", "+"):gsub("_", "/")
    return ngx.decode_base64(text .. ("="):rep(-#text % 4))
end

local function user_sig(user, now)
    local expire = 604800
    local text = "TLS.identifier:" .. user .. "\nTLS.sdkappid:" .. settings.app .. "\nTLS.time:" .. now .. "\nTLS.expire:" .. expire .. "\n"
    local sig = ngx.encode_base64(hmac(settings.chat_key, text))
    local json = '{"TLS.ver":"2.0","TLS.identifier":"' .. user .. '","TLS.sdkappid":' .. settings.app .. ',"TLS.expire":' .. expire
        .. ',"TLS.time":' .. now .. ',"TLS.sig":"' .. sig .. '"}'
    packed_length[0] = 1024
    zlib.compress2(packed, packed_length, json, #json, 6)
    return (ngx.encode_base64(ffi.string(packed, packed_length[0])):gsub("[+/=]", { ["+"] = "*", ["/"] = "-", ["="] = "_" }))
end

local function verify(token, now)
    local signed, payload, signature = token:match("^([%w_-]+%.([%w_-]+))%.([%w_-]+)$")
    if not signed or from_base64url(signature) ~= hmac(settings.secret, signed) then return end
    local header = cjson.decode(from_base64url(token:match("^[^.]+")) or "")
    local claims = cjson.decode(from_base64url(payload) or "")
    if not header or header.alg ~= "HS256" or not claims then return end
    if claims.iss ~= settings.issuer or claims.aud ~= settings.audience then return end
    if type(claims.exp) ~= "number" or claims.exp <= now or type(claims.sub) ~= "string" then return end
    if not claims.sub:match("^[%w_-]+$") or #claims.sub > 32 or claims.sub == "administrator" then return end
    return claims
end

function M.access()
    local authorization = ngx.var.http_authorization
    local token = authorization and authorization:match("^Bearer (.+)$")
    if not token then return ngx.exit(401) end
    local now = ngx.time()
    local known = memory:get(token)
    if not known or known.exp <= now then
        local claims = verify(token, now)
        if not claims then return ngx.exit(401) end
        known = { user = claims.sub, exp = claims.exp, sig = user_sig(claims.sub, now) }
        memory:set(token, known)
    end
    ngx.req.set_header("X-Chat-UserID", known.user)
    ngx.req.set_header("X-Chat-UserSig", known.sig)
    ngx.req.set_header("X-Chat-SDKAppID", settings.app)
    ngx.ctx.known = known
end

function M.header()
    local known = ngx.ctx.known
    if known then
        ngx.header["X-Chat-UserID"] = known.user
        ngx.header["X-Chat-UserSig"] = known.sig
        ngx.header["X-Chat-SDKAppID"] = settings.app
        ngx.header["Cache-Control"] = "no-store"
    end
end

return M
