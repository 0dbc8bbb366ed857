-- Begins a lease anew. Returns 1, or 0 if the caller does not hold the lock any more.
-- KEYS: the lock. ARGV: 1 the caller's token; 2 the lease.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
