-- The second step: leaves the values at the new key, where they do not count yet. Returns 0, or
-- {'PENDING', @in} if another rename to this key must be resolved first.
-- KEYS: to. ARGV: 1 the ticket and where the session comes from; 2 the lifetime, or '';
-- 3 for how long the index has the session, or '' if it has no owner; name, value, ...
local other = redis.call('HGET', KEYS[1], '@in')
if other then
  if string.sub(other, 1, #ARGV[1]) == ARGV[1] then return 0 end
  return {'PENDING', other}
end
local time, left = redis.call('TIME'), redis.call('PTTL', KEYS[1])
time = time[1] * 1000 + math.floor(time[2] / 1000)
local ends, values = '-1', {unpack(ARGV, 4)}
if left >= 0 then ends = string.format('%.0f', time + left) end
if ARGV[3] ~= '' then
  values[#values + 1] = '@indexed'
  values[#values + 1] = string.format('%.0f', time + tonumber(ARGV[3]))
end
redis.call('HSET', KEYS[1], '@in', ARGV[1] .. cmsgpack.pack({ends, values}))
if ARGV[2] == '' then
  redis.call('PERSIST', KEYS[1])
elseif left ~= -1 and left < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
