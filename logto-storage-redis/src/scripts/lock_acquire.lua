-- Takes a lock that nobody holds. Returns 1 if the caller has it, 0 if somebody else does, and -1 if the
-- key holds something else.
-- KEYS: the lock. ARGV: 1 'held:' and the caller's token; 2 the lease, or ''.
local value = redis.call('GET', KEYS[1])
if value and value ~= ARGV[1] and string.sub(value, 1, 5) ~= 'free:' then
  return string.sub(value, 1, 5) == 'held:' and 0 or -1
end
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
