-- Adds records to those of a site. Each is merged with what is there about its subject, and what is new gets the next
-- number, by which the nodes read on.
--
-- KEYS  1 meta: a hash with epoch and number   2 log: subjects by number   3 ends: subjects by their end in milliseconds
--       then one key for each record: the writer, a space, JSON
-- ARGV  1 the epoch, if there is none yet   2 the writer   then for each record: subject, JSON, end in milliseconds

local function later(one, other)
  if not one then return other end
  if not other then return one end
  return math.max(one, other)
end

local function merged_floor(one, other)
  if not one then return other end
  if not other then return one end
  return { math.max(one[1], other[1]), math.max(one[2], other[2]) }
end

local function same_floor(one, other)
  if not one or not other then return not one and not other end
  return one[1] == other[1] and one[2] == other[2]
end

-- A user never goes back. Whether a kick is wanted says the later date, and of the same date who comes last.
local function merged_user(old, new)
  local user = {
    id = new.id,
    not_before = math.max(old.not_before, new.not_before),
    renewed_at = later(old.renewed_at, new.renewed_at),
    floor = merged_floor(old.floor, new.floor),
    kick = new.kick or nil,
  }
  if new.not_before < old.not_before then user.kick = old.kick or nil end
  local is_new = user.not_before ~= old.not_before or user.renewed_at ~= old.renewed_at
    or not same_floor(user.floor, old.floor) or user.kick ~= (old.kick or nil)
  return is_new and cjson.encode({ user = user })
end

-- The text to keep, or false when all of it is known. What no node reads, damaged or dated ahead, gives way.
local function merged(old, text, now)
  local is_json, before = pcall(cjson.decode, string.match(old, '^%S+ (.*)$') or '')
  if not is_json or type(before) ~= 'table' then return text end
  if before.user and (before.user.not_before or 0) > now / 1000 + 60 then return text end
  local new = cjson.decode(text)
  if new.token and before.token then
    return new.token['until'] > before.token['until'] and text
  end
  if new.user and before.user then return merged_user(before.user, new.user) end
  return string.match(old, '^%S+ (.*)$') ~= text and text
end

local function outlive(key, now, last)
  if redis.call('PTTL', key) < last - now then redis.call('PEXPIREAT', key, last) end
end

local meta, log, ends = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = now + 86400000
redis.call('HSETNX', meta, 'epoch', ARGV[1])
for index = 4, #KEYS do
  local key = KEYS[index]
  local subject, text = ARGV[3 * index - 9], ARGV[3 * index - 8]
  local stop = tonumber(ARGV[3 * index - 7])
  local old = redis.call('GET', key)
  if old then
    -- What is there may be of any shape.
    local is_read, kept = pcall(merged, old, text, now)
    if is_read then text = kept end
  end
  if text and stop > now then
    stop = math.max(stop, now + redis.call('PTTL', key))
    redis.call('SET', key, ARGV[2] .. ' ' .. text)
    redis.call('PEXPIREAT', key, stop)
    redis.call('ZADD', log, redis.call('HINCRBY', meta, 'number', 1), subject)
    redis.call('ZADD', ends, stop, subject)
    last = math.max(last, stop)
  end
end
local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 200)
if #over > 0 then
  redis.call('ZREM', log, unpack(over))
  redis.call('ZREM', ends, unpack(over))
end
outlive(meta, now, last)
outlive(log, now, last)
outlive(ends, now, last)
return redis.call('HGET', meta, 'epoch')
