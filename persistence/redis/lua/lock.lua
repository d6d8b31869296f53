-- lock marks a known user as having to prove its key. The answer is 1 if the user is known.
local function lock(keys)
  if redis.call('HEXISTS', keys[2], 'k') == 0 then return 0 end
  allow_writes(keys[2])
  redis.call('HSET', keys[2], 'l', '1')
  return 1
end
