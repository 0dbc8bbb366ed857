-- Decides about a rename that somebody has left in the middle. Returns 1 if it has been committed, and 0
-- if it will never be.
-- KEYS: from. ARGV: the ticket.
local found = redis.call('HMGET', KEYS[1], '@rename', '@out')
if found[2] and string.sub(found[2], 1, 22) == ARGV[1] then return 1 end
if found[1] == ARGV[1] then redis.call('HDEL', KEYS[1], '@rename') end
return 0
