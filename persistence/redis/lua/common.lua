-- What all functions share. Keys are always {uid}:q, {uid}:u, {uid}:i; see the package comment for the layout.

-- A record is: version 1, seq 8, expires 8, id length 1, from 20, id, time 8, checksum 4, payload; integers big-endian.
local FIXED = 50
local FROM = 19 -- where the sender starts; the sender's id follows it, and both together are the envelope's identity

-- A payload may be large: no step brings more than about so many bytes, or so many records, into Lua at once.
local STEP_BYTES = 1048576
local STEP = 256

-- allow_writes makes the writes that follow succeed when memory is exhausted. Functions say so by a flag; a plain script
-- may write once its first write was one that takes no memory, which this is, and it changes nothing.
local function allow_writes(key) redis.call('PERSIST', key) end

local CORRUPT_STATE = {err = 'CORRUPT mailbox state'}
local CORRUPT_RECORD = {err = 'CORRUPT mailbox record'}

-- head returns seq, expires and id length, or nil for what is no record of ours.
local function head(item)
  if #item < FIXED or string.byte(item) ~= 1 then return nil end
  local seq, expires, idlen = struct.unpack('>I8i8B', item, 2)
  if #item < FIXED + idlen then return nil end
  return seq, expires, idlen
end

-- load_state returns highest seq, count, bytes and a bound below which nothing expires; nil if that is corrupt. Where a
-- queue has lost its state, to an eviction for instance, its own last seq is the highest: a lower one would make other
-- functions believe that nothing is pending, or all of it confirmed.
local function load_state(user, queue)
  local state = redis.call('HGET', user, 's')
  if not state then
    local last = redis.call('LINDEX', queue, -1)
    if not last then return 0, 0, 0, 0 end
    return head(last), redis.call('LLEN', queue), 0, 0
  end
  if #state ~= 32 then return nil end
  return struct.unpack('>I8I8I8i8', state)
end

local function save_state(user, highest, count, bytes, expires)
  redis.call('HSET', user, 's', struct.pack('>I8I8I8i8', highest, count, math.max(bytes, 0), expires))
end

-- step returns how many records of average size to bring in at once, at least 1 and at most want.
local function step(want, count, bytes)
  if count > 0 and bytes > 0 then want = math.min(want, math.ceil(STEP_BYTES * count / bytes)) end
  return math.max(1, math.min(want, STEP))
end

local function seq_at(queue, index)
  local item = redis.call('LINDEX', queue, index)
  return item and head(item)
end

-- position returns the index of the first of n records with a seq above after, n if there is none, or nil where a
-- record is corrupt. LINDEX walks the list's nodes, so the search is narrowed first: seqs rise by at least one, hence
-- at most (last - after) records lie above and at most (after - first + 1) lie at or below. Where seqs have no gaps the
-- two bounds meet and nothing is searched.
local function position(queue, n, after)
  if n == 0 or after == 0 then return 0 end
  local first = seq_at(queue, 0)
  if not first then return nil end
  if first > after then return 0 end
  local last = seq_at(queue, -1)
  if not last then return nil end
  if last <= after then return n end
  local low, high = math.max(1, n - (last - after)), math.min(n - 1, after - first + 1)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local seq = seq_at(queue, middle)
    if not seq then return nil end
    if seq > after then high = middle else low = middle + 1 end
  end
  return low
end
