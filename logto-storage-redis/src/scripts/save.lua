-- Puts a record in the place of the one that is expected. Returns 1 when that is done, 0 if another version is
-- there, -1 if what is there lacks a field or has an odd version, and 2 if the indexes of the owner must have the session first.
-- KEYS: the session. ARGV: 1 the expected version, or ''; 2 the version; 3 the owner, or ''; 4 the data; 5 now and
-- 6 the oldest use of a live session, or ''; 7 the lifetime; 8 how long the indexes have a session that
-- they are given; 9 '1' if they were given it now. What they have must last for all of that but a twentieth of the
-- lifetime: longer than the session lives.
local found = redis.call('HMGET', KEYS[1], 'version', 'used', 'owner', 'indexed')
local version, used = found[1], tonumber(found[2] or '')
-- A field is missing, or the version is none: damaged.
local count = redis.call('HLEN', KEYS[1])
if count > 0 and (count < 5 or not (version and found[2] and found[3] and found[4])) then return -1 end
if version and (#version ~= 32 or version:find('%X')) then return -1 end
-- The same call, sent twice.
if version == ARGV[2] then return 1 end
local over = ARGV[5] ~= '' and used and used < tonumber(ARGV[6])
if (over and '' or version or '') ~= ARGV[1] then return 0 end

local indexed = ''
if ARGV[3] ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local life, span = tonumber(ARGV[7]), tonumber(ARGV[8])
  indexed = found[4] or ''
  if ARGV[9] == '1' then
    indexed = string.format('%.0f', now + span)
  elseif found[3] ~= ARGV[3] or (tonumber(indexed) or 0) < now + span - life / 20 then
    return 2
  end
end
-- No DEL first: past it, the server takes an HSET when its memory is full, and refuses one in a slot that moves.
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'owner', ARGV[3], 'data', ARGV[4], 'indexed', indexed, 'used', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1
