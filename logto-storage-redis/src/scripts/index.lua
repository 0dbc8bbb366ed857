-- Puts a session into indexes: sorted sets of sessions, by the time in milliseconds at which an entry
-- may go. Returns 0.
-- KEYS: the indexes. ARGV: 1 the session's digest; 2 for how long the entry stays.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local span = tonumber(ARGV[2])
for _, index in ipairs(KEYS) do
  local left = redis.call('PTTL', index)
  -- Always another one, by which unindex.lua knows that the entry was renewed.
  local goes = (tonumber(redis.call('ZSCORE', index, ARGV[1]) or '') or 0) + 1
  redis.call('ZADD', index, string.format('%.0f', math.max(goes, now + span)), ARGV[1])
  redis.call('ZREMRANGEBYSCORE', index, '-inf', string.format('(%.0f', now))
  if left ~= -1 and left < span then redis.call('PEXPIRE', index, ARGV[2]) end
end
return 0
