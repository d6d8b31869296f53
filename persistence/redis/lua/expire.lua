-- expire deletes records that have expired. Arguments: the time, how many to delete at most, and the seq after which to
-- look. The answer is how many were deleted, and the seq up to which was looked, 0 for the end.
local TOMBSTONE = '' -- stands in for a record that is about to be removed from the middle; no record is empty
local LOOK = 2048 -- records looked at per call, so that a long queue does not hold the server up

-- dead returns what expired among the records from index at on: their indexes, identities and payload bytes, the
-- earliest expiry of the others, and the seq of the last record looked at, or nil at the end of the queue.
local function dead(queue, at, n, now, max, count, bytes)
  local indexes, gone, size, earliest, stop = {}, {}, 0, nil, math.min(n, at + LOOK)
  while at < stop do
    for _, item in ipairs(redis.call('LRANGE', queue, at, at + step(stop - at, count, bytes) - 1)) do
      local seq, expiry, idlen = head(item)
      if not seq then return nil end
      if expiry > now then
        if not earliest or expiry < earliest then earliest = expiry end
      else
        indexes[#indexes + 1], size = at, size + #item - FIXED - idlen
        if idlen > 0 then gone[#gone + 1] = string.sub(item, FROM, FROM + 19 + idlen) end
      end
      at = at + 1
      if #indexes == max or (at == stop and at < n) then return indexes, gone, size, earliest, at < n and seq or nil end
    end
  end
  return indexes, gone, size, earliest, nil
end

-- remove deletes the records at ascending indexes: a trim for those at the front, and one pass for all the others.
local function remove(queue, indexes)
  local front = 0
  while indexes[front + 1] == front do front = front + 1 end
  if front > 0 then redis.call('LTRIM', queue, front, -1) end
  for k = front + 1, #indexes do redis.call('LSET', queue, indexes[k] - front, TOMBSTONE) end
  if front < #indexes then redis.call('LREM', queue, 0, TOMBSTONE) end
end

local function expire(keys, args)
  local queue, user, ids = keys[1], keys[2], keys[3]
  local highest, count, bytes, expires = load_state(user, queue)
  if not highest then return CORRUPT_STATE end
  local now, max, after = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  count = redis.call('LLEN', queue)
  local at = position(queue, count, after)
  if not at then return CORRUPT_RECORD end
  local indexes, gone, size, earliest, last = dead(queue, at, count, now, max, count, bytes)
  if not indexes then return CORRUPT_RECORD end
  allow_writes(queue)
  if #indexes > 0 then
    remove(queue, indexes)
    if #gone > 0 then redis.call('HDEL', ids, unpack(gone)) end
  end
  -- The bound may rise only when the whole queue was seen at once.
  if at == 0 and not last then expires = earliest or 0 end
  if highest > 0 then save_state(user, highest, count - #indexes, bytes - size, expires) end
  return {#indexes, last or 0}
end
