-- Removes a session: of any version, or of one. Returns 1 when it is gone, 0 if another version is there, and 2 if one was
-- asked for and none is there: it was removed by the same call, sent twice, or by another.
-- KEYS: the session. ARGV: the version, or ''.
if ARGV[1] ~= '' then
  local version = redis.call('HGET', KEYS[1], 'version')
  if version ~= ARGV[1] then return version and 0 or 2 end
end
redis.call('DEL', KEYS[1])
return 1
