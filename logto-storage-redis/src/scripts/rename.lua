-- Gives a session another key, in place of what is there. Returns 0 when that is done or there is no
-- such session; otherwise nothing was changed, and it returns {'INDEX', owner} if that owner must be
-- indexed under the other key first.
-- KEYS: from, to. ARGV: 1 now and 2 the oldest use of a live session, or ''; 3 the lifetime, or '';
-- 4 the owner that was indexed; 5 for how long the index has the session then.
local from, to = KEYS[1], KEYS[2]
redis.call('HLEN', to)
local found = redis.call('HMGET', from, '@used', 'owner')
local used = tonumber(found[1] or '')
if ARGV[1] ~= '' and used and used < tonumber(ARGV[2]) then return 0 end
local live = false
for _, name in ipairs(redis.call('HKEYS', from)) do
  if string.byte(name) ~= 64 then live = true end
end
if not live then return 0 end
if found[2] and found[2] ~= ARGV[4] then return {'INDEX', found[2]} end

redis.call('RENAME', from, to)
redis.call('HDEL', to, '@used', '@in', '@out', '@rename')
if ARGV[1] ~= '' then redis.call('HSET', to, '@used', ARGV[1]) end
if found[2] then
  local time = redis.call('TIME')
  time = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', to, '@indexed', string.format('%.0f', time + tonumber(ARGV[5])))
end
if ARGV[3] ~= '' then redis.call('PEXPIRE', to, ARGV[3]) else redis.call('PERSIST', to) end
return 0
