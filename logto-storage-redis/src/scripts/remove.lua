-- Removes the values of a session. Returns 0 when that is done, or {'PENDING', @in} if a rename must be
-- resolved first.
-- KEYS: the session. ARGV: '1' to drop a rename that cannot be resolved.
local names, gone = redis.call('HKEYS', KEYS[1]), {}
for _, name in ipairs(names) do
  if name == '@in' and ARGV[1] ~= '1' then
    return {'PENDING', redis.call('HGET', KEYS[1], '@in')}
  end
  if name ~= '@out' then gone[#gone + 1] = name end
end
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
return 0
