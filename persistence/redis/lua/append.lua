-- append adds records to one user's queue. Arguments: the quota's messages and bytes (0 for none), a description, then
-- the records in ascending seq. The description is one byte that is 'q' if an earlier call of the same batch met the
-- quota, one byte per record that is 'a' if it is exempt from the quota, then 16 bytes of payload digest for each
-- record that has an id.
--
-- The answer has one byte per record: k kept or kept before, q over the quota, d duplicate, c conflict. A dry run
-- writes nothing and answers f for what it would have to keep; with the first f, all that follows has failed, too.

local QUOTA_MET, ACCEPTED = 113, 97 -- the bytes 'q' and 'a'; nothing can be called while a library loads

-- pending_ids looks up which identities are pending: identity to the index entry, which is seq 8, digest 16.
local function pending_ids(ids, args)
  local fields, found = {}, {}
  if #args[3] == #args - 2 then return found end -- no digests: no ids
  for k = 4, #args do
    local _, _, idlen = head(args[k])
    if idlen > 0 then fields[#fields + 1] = string.sub(args[k], FROM, FROM + 19 + idlen) end
  end
  local entries = redis.call('HMGET', ids, unpack(fields))
  for k, field in ipairs(fields) do found[field] = entries[k] or nil end
  return found
end

-- repeated answers for an identity that is pending.
local function repeated(entry, seq, digest)
  if string.sub(entry, 1, 8) == seq then return 'k' end
  return string.sub(entry, 9) == digest and 'd' or 'c'
end

local function append_or_probe(keys, args, dry)
  local highest, count, bytes, expires = load_state(keys[2], keys[1])
  if not highest then return CORRUPT_STATE end
  local max_count, max_bytes, about = tonumber(args[1]), tonumber(args[2]), args[3]
  local pending, answer, items, entries = pending_ids(keys[3], args), {}, {}, {}
  local full, added = string.byte(about) == QUOTA_MET, 0
  local digest_at = #args - 1 -- behind the first byte and one byte per record
  for k = 4, #args do
    local item, status, field, digest = args[k], nil, nil, nil
    local seq, expiry, idlen = head(item)
    local size = #item - FIXED - idlen
    if idlen > 0 then
      field, digest = string.sub(item, FROM, FROM + 19 + idlen), string.sub(about, digest_at, digest_at + 15)
      digest_at = digest_at + 16
      if pending[field] then status = repeated(pending[field], string.sub(item, 2, 9), digest) end
    end
    if not status and seq <= highest then
      status = 'k'
    elseif not status and string.byte(about, k - 2) ~= ACCEPTED and (full
        or (max_count > 0 and count + 1 > max_count) or (max_bytes > 0 and bytes + size > max_bytes)) then
      full, status = true, 'q'
    elseif not status and dry then
      status = 'f'
    elseif not status then
      status, highest, count, bytes, added = 'k', seq, count + 1, bytes + size, added + size
      if count == 1 or expiry < expires then expires = expiry end
      items[#items + 1] = item
      if field then
        pending[field] = string.sub(item, 2, 9) .. digest
        entries[#entries + 1] = field
        entries[#entries + 1] = pending[field]
      end
    end
    answer[k - 3] = status
  end
  if #items > 0 then
    -- The push comes first: it is refused when memory is exhausted, and then nothing has been written.
    local length = redis.call('RPUSH', keys[1], unpack(items))
    if #entries > 0 then redis.call('HSET', keys[3], unpack(entries)) end
    if length == #items then bytes = added end -- whatever the counters said, the queue was empty
    save_state(keys[2], highest, length, bytes, expires)
  end
  return table.concat(answer)
end

local function append(keys, args) return append_or_probe(keys, args, false) end
