-- The third step, which decides: from now on the session is under its new id. Returns 1, or 0 if the
-- session was written since the first step.
-- KEYS: from. ARGV: 1 the ticket; 2 the ticket and where the session goes; 3 the lifetime, or ''.
local found = redis.call('HMGET', KEYS[1], '@rename', '@out')
if found[2] == ARGV[2] then return 1 end
if found[1] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '@out', ARGV[2])
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
