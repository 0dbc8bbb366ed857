-- The first step of a rename between two slots. Returns {'BEGUN', name, value, ...}, 0 if there is no
-- such session, {'PENDING', @in} or {'UNFINISHED', @out} if an earlier rename must be resolved first.
-- KEYS: from. ARGV: 1 the ticket; 2 now and 3 the oldest use of a live session, or ''.
local all, own, values = redis.call('HGETALL', KEYS[1]), {}, {'BEGUN'}
for at = 1, #all, 2 do
  if string.byte(all[at]) == 64 then
    own[all[at]] = all[at + 1]
  else
    values[#values + 1] = all[at]
    values[#values + 1] = all[at + 1]
  end
end
if own['@in'] then return {'PENDING', own['@in']} end
if own['@out'] then return {'UNFINISHED', own['@out']} end
local used = tonumber(own['@used'] or '')
if #values == 1 or ARGV[2] ~= '' and used and used < tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], '@rename', ARGV[1])
return values
