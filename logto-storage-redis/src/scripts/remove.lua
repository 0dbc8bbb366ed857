-- Removes a session: of any version, or of one. Returns 1 when it is gone, and 0 if another version is there.
-- KEYS: the session. ARGV: the version, or ''.
if ARGV[1] ~= '' then
  local version = redis.call('HGET', KEYS[1], 'version')
  if version and version ~= ARGV[1] then return 0 end
end
redis.call('DEL', KEYS[1])
return 1
