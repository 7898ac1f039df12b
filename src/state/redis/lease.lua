-- Lends a node places in budgets of the application, and counts the nodes. Each budget is the moment up to which it is used
-- (generic cell rate algorithm), by the clock of the store; no call takes more of it than there is.
--
-- KEYS  1 nodes: by when they were here   then one key for each budget
-- ARGV  1 the node   then for each budget: microseconds a place stands for, microseconds that may be used ahead, places wanted
-- Gives the number of nodes, then for each budget: places lent, microseconds until there is one again

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 5000000)
redis.call('PEXPIRE', KEYS[1], 10000)
local nodes = redis.call('ZCARD', KEYS[1])
local answer = { nodes }
for index = 2, #KEYS do
  local interval, ahead = tonumber(ARGV[3 * index - 4]), tonumber(ARGV[3 * index - 3])
  local wanted = tonumber(ARGV[3 * index - 2])
  local used = math.max(tonumber(redis.call('GET', KEYS[index]) or 0) or 0, now)
  -- Further ahead than any call leaves it: the clock was set back.
  used = math.min(used, now + ahead + interval)
  local room = math.max(math.floor((now + ahead - used) / interval), 0)
  local lent = math.min(wanted, math.ceil(room / nodes))
  if lent > 0 then
    used = used + lent * interval
    redis.call('SET', KEYS[index], string.format('%.0f', used), 'PX', math.ceil((used - now) / 1000) + 1000)
  end
  answer[2 * index - 2] = lent
  answer[2 * index - 1] = math.max(used + interval - now - ahead, 0)
end
return answer
