-- ceiling raises the number at its one key to the argument if it is lower, and answers what it was.
local function ceiling(keys, args)
  local before = redis.call('GET', keys[1]) or '0'
  if tonumber(args[1]) > tonumber(before) then
    allow_writes(keys[1])
    redis.call('SET', keys[1], args[1])
  end
  return before
end
