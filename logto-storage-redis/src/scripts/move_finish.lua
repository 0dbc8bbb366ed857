-- The fourth step: puts the values in the place of what was there. Returns 1, 0 if that has been done, or
-- -1 if the values are damaged.
-- KEYS: to. ARGV: 1 the ticket; 2 now, or ''; 3 the lifetime, or ''.
local found = redis.call('HGET', KEYS[1], '@in')
if not found or string.sub(found, 1, 22) ~= ARGV[1] then return 0 end
local ok, packed = pcall(cmsgpack.unpack, string.sub(found, 66))
local values = ok and type(packed) == 'table' and packed[2]
if type(values) ~= 'table' or #values == 0 or #values % 2 == 1 then return -1 end
local gone = {}
for _, text in ipairs(values) do
  if type(text) ~= 'string' then return -1 end
end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if name ~= '@out' then gone[#gone + 1] = name end
end
redis.call('HDEL', KEYS[1], unpack(gone))
redis.call('HSET', KEYS[1], unpack(values))
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], '@used', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) else redis.call('PERSIST', KEYS[1]) end
return 1
