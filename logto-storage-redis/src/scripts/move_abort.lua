-- Drops the values of a rename that will not be, and gives what is there the time that it had. Returns 0.
-- KEYS: to. ARGV: the ticket.
local found = redis.call('HGET', KEYS[1], '@in')
if not found or string.sub(found, 1, 22) ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], '@in')
local ok, packed = pcall(cmsgpack.unpack, string.sub(found, 66))
local ends = ok and type(packed) == 'table' and tonumber(packed[1])
if ends and ends >= 0 then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', ends))
elseif ends then
  redis.call('PERSIST', KEYS[1])
end
return 0
