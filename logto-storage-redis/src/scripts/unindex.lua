-- Drops entries of an index that have not been renewed meanwhile. Returns 0.
-- KEYS: the index. ARGV: the digest of each session, and the score that it had.
for at = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[at]) == ARGV[at + 1] then
    redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
return 0
