-- Notes that a session was used, if it is still the version that was loaded. Returns 1 when that is done, 0 if it is
-- another one, and 2 if the indexes of the owner must have the session first.
-- KEYS: the session. ARGV: 1 the version; 2 now, or ''; 3 the lifetime; 4 how long the indexes have a session that they
-- are given; 5 '1' if they were given it now, as in save.lua.
local found = redis.call('HMGET', KEYS[1], 'version', 'owner', 'indexed')
if found[1] ~= ARGV[1] then return 0 end
if found[2] and found[2] ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local life, span = tonumber(ARGV[3]), tonumber(ARGV[4])
  if ARGV[5] == '1' then
    redis.call('HSET', KEYS[1], 'indexed', string.format('%.0f', now + span))
  elseif (tonumber(found[3] or '') or 0) < now + span - life / 20 then
    return 2
  end
end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'used', ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
