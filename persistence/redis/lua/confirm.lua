-- confirm deletes the records up to a seq. Arguments: the seq, and how many to delete at most. The answer is 1 if there
-- may be more to delete, else 0. It deletes what it has seen to be at or below the seq, never a number of records.
local function confirm(keys, args)
  local queue, user, ids = keys[1], keys[2], keys[3]
  local highest, count, bytes, expires = load_state(user, queue)
  if not highest then return CORRUPT_STATE end
  local upto, max = tonumber(args[1]), tonumber(args[2])
  count = redis.call('LLEN', queue)
  if count == 0 then return 0 end
  if upto >= highest then -- nothing above: no need to look at the records
    redis.call('UNLINK', queue, ids)
    save_state(user, highest, 0, 0, 0)
    return 0
  end
  local done, gone, beyond, corrupt, before = 0, {}, false, false, 0
  local want = math.max(8, count - (highest - upto) + 1) -- at most (highest - upto) lie above
  while not beyond and not corrupt and done < max do
    local items = redis.call('LRANGE', queue, 0, step(math.min(want, max - done), count, bytes) - 1)
    local k = 0
    for _, item in ipairs(items) do
      local seq, _, idlen = head(item)
      corrupt = not seq or seq <= before -- seqs rise
      beyond = corrupt or seq > upto
      if beyond then break end
      k, bytes, before = k + 1, bytes - (#item - FIXED - idlen), seq
      if idlen > 0 then gone[#gone + 1] = string.sub(item, FROM, FROM + 19 + idlen) end
    end
    if k == 0 then break end
    redis.call('LTRIM', queue, k, -1)
    done, count, want = done + k, count - k, STEP
  end
  if done == 0 then return corrupt and CORRUPT_RECORD or 0 end
  if #gone > 0 then redis.call('HDEL', ids, unpack(gone)) end
  save_state(user, highest, count, bytes, expires)
  return (count > 0 and not beyond) and 1 or 0
end
