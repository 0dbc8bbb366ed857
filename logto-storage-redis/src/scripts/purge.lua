-- Frees a session that was last used too long ago. Returns 1 if it did, and 0 if the session lives.
-- KEYS: the session. ARGV: the oldest use of a live one.
local used = tonumber(redis.call('HGET', KEYS[1], 'used') or '')
if not used or used >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
return 1
