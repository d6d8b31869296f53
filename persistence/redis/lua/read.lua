-- read returns a page. Arguments: after which seq, how many records at most, and the payload bytes at which to stop,
-- though not before one record. The answer is 1 if there is more behind the page, else 0, and then the records.
local function read(keys, args)
  local queue = keys[1]
  local highest, count, bytes = load_state(keys[2], queue)
  if not highest then return CORRUPT_STATE end
  local after, max_count, max_bytes = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  if after >= highest then return {0} end
  local n = redis.call('LLEN', queue)
  local at = position(queue, n, after)
  if not at then return CORRUPT_RECORD end
  local page, got, size, more = {0}, 0, 0, at < n
  while more do
    local want = math.min(max_count - got, n - at)
    if count > 0 and bytes > 0 then want = math.min(want, math.ceil((max_bytes - size) * count / bytes)) end
    local items = redis.call('LRANGE', queue, at, at + step(want, count, bytes) - 1)
    for _, item in ipairs(items) do
      local _, _, idlen = head(item)
      got, at, size = got + 1, at + 1, size + #item - (idlen and FIXED + idlen or 0)
      page[got + 1] = item
      if got >= max_count or size >= max_bytes then
        page[1] = at < n and 1 or 0
        return page
      end
    end
    more = at < n
  end
  return page
end
