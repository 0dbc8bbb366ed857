-- Takes a lock that nobody holds. Returns 1 if the caller has it, and 0 if another holder does.
-- KEYS: the lock. ARGV: 1 the caller's token; 2 the lease.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
