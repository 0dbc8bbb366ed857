-- Frees a lock and leaves a mark of who had it last. Returns 1, or 0 if the caller had it no more.
-- KEYS: the lock. ARGV: 1 'held:' and 2 'free:', each with the caller's token; 3 how long the mark stays.
local value = redis.call('GET', KEYS[1])
if value == ARGV[2] then return 1 end
if value ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
