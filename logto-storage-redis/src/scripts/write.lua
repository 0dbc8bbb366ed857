-- Changes a session in one step, and notes that it was used. Returns 0 when that is done; otherwise
-- nothing was changed, and it returns {'LOST'} if somebody else has had the lock, {'PENDING', @in} if a
-- rename must be resolved first, or {'INDEX', owner} if that owner must be indexed first.
-- KEYS: the session and, while the caller holds it, its lock.
-- ARGV: 1 what the lock then holds; 2 now and 3 the oldest use of a live session, or ''; 4 the lifetime,
-- or ''; 5 how long the index must have the session from now on, and how long it has it if it is put into
-- it now, parted by a blank; 6 the owner that was indexed; 7 '1' if the changes name the
-- owner; 8 how many arguments are names and values to set; these; and the names of what is removed.
local session, now, set = KEYS[1], ARGV[2], tonumber(ARGV[8])
local need, span = string.match(ARGV[5], '(%d+) (%d+)')
local found = redis.call('HMGET', session, '@in', '@used', '@indexed', 'owner', '@rename')
if KEYS[2] then
  local holder = redis.call('GET', KEYS[2])
  if holder and holder ~= ARGV[1] then return {'LOST'} end
end
if found[1] then return {'PENDING', found[1]} end

local used = tonumber(found[2] or '')
local over = now ~= '' and used and used < tonumber(ARGV[3])
local owner, indexes, time = not over and found[4], ARGV[7] == '1', nil
if owner or indexes then
  time = redis.call('TIME')
  time = time[1] * 1000 + math.floor(time[2] / 1000)
end
if owner and not indexes then
  local indexed = tonumber(found[3] or '')
  if not indexed or indexed < time + tonumber(need) then
    if owner ~= ARGV[6] then return {'INDEX', owner} end
    indexes = true
  end
end

if over or set == 0 then
  local removed, left, all = {}, false, {}
  for at = 9 + set, #ARGV do removed[ARGV[at]] = true end
  for _, name in ipairs(redis.call('HKEYS', session)) do
    if name ~= '@out' then all[#all + 1] = name end
    if string.byte(name) ~= 64 and not removed[name] then left = true end
  end
  if over or not left then
    if #all > 0 then redis.call('HDEL', session, unpack(all)) end
    if set == 0 then return 0 end
  end
end

if set > 0 then redis.call('HSET', session, unpack(ARGV, 9, 8 + set)) end
if #ARGV > 8 + set then redis.call('HDEL', session, unpack(ARGV, 9 + set)) end
if found[5] then redis.call('HDEL', session, '@rename') end
if now == '' and found[2] then redis.call('HDEL', session, '@used') end
if now ~= '' then redis.call('HSET', session, '@used', now) end
if indexes then redis.call('HSET', session, '@indexed', string.format('%.0f', time + tonumber(span))) end
if ARGV[4] ~= '' then redis.call('PEXPIRE', session, ARGV[4]) else redis.call('PERSIST', session) end
return 0
