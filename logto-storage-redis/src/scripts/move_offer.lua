-- The second step: leaves the values at the new key, where they do not count yet. Returns 0, or
-- {'PENDING', @in} if another rename to this key must be resolved first.
-- KEYS: to. ARGV: 1 the ticket and where the session comes from; 2 the lifetime, or ''; name, value, ...
local other = redis.call('HGET', KEYS[1], '@in')
if other then
  if string.sub(other, 1, #ARGV[1]) == ARGV[1] then return 0 end
  return {'PENDING', other}
end
local left, ends = redis.call('PTTL', KEYS[1]), '-1'
if left >= 0 then
  local time = redis.call('TIME')
  ends = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + left)
end
redis.call('HSET', KEYS[1], '@in', ARGV[1] .. cmsgpack.pack({ends, {unpack(ARGV, 3)}}))
if ARGV[2] == '' then
  redis.call('PERSIST', KEYS[1])
elseif left ~= -1 and left < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
