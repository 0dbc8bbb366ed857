-- Frees a session that was last used too long ago. Returns 1 if it did, and 0 if the session lives.
-- KEYS: the session. ARGV: the oldest use of a live one.
local found = redis.call('HMGET', KEYS[1], '@used', '@in')
local used = tonumber(found[1] or '')
if found[2] or not used or used >= tonumber(ARGV[1]) then return 0 end
local gone = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if name ~= '@out' then gone[#gone + 1] = name end
end
redis.call('HDEL', KEYS[1], unpack(gone))
return 1
