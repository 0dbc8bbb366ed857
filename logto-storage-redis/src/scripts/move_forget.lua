-- The fifth step: forgets a rename whose values are in their place. Returns 0.
-- KEYS: from. ARGV: the ticket.
local found = redis.call('HGET', KEYS[1], '@out')
if found and string.sub(found, 1, 22) == ARGV[1] then redis.call('HDEL', KEYS[1], '@out') end
return 0
