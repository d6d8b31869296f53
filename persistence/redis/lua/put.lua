-- put stores a user's key unless the user is known. Arguments: the key, and '1' if it must be proved. The answer is 1:
-- the user is known.
local function put(keys, args)
  local user = keys[2]
  if redis.call('HEXISTS', user, 'k') == 1 then return 1 end
  redis.call('HSET', user, 'k', args[1])
  if args[2] == '1' then redis.call('HSET', user, 'l', '1') end
  return 1
end
