-- Releases a lock. Returns 1, or 0 if another holder has it. A lock that is gone was released by the same call, sent
-- twice, or its lease was over.
-- KEYS: the lock. ARGV: the caller's token.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
