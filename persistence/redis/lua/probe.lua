-- probe answers as append would, and keeps nothing. It tells what an earlier append of the same records did where
-- append itself is refused because memory is exhausted.
local function probe(keys, args) return append_or_probe(keys, args, true) end
