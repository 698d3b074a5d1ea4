-- The generic cell rate algorithm for several limits at once: all of them let the
-- request pass and are charged, or none is. Times are microseconds of this server's
-- clock, which all collectors share.
--
-- KEYS[i]        when limit i will have been used for by the time that has passed
-- ARGV[2i-1]     what the request costs of it
-- ARGV[2i]       the burst: how far ahead of the clock the limit may be
--
-- Returns 0, or how long to wait.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local wait, ends = 0, {}
for i, key in ipairs(KEYS) do
	local cost, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
	local from = math.max(tonumber(redis.call('GET', key) or now), now)
	-- A request that costs more than the burst passes when nothing else is charged,
	-- and delays those behind it: else it could never pass.
	wait = math.max(wait, from - now + math.min(cost, burst) - burst)
	ends[i] = from + cost
end
if wait > 0 then
	return math.ceil(wait)
end
for i, key in ipairs(KEYS) do
	local left = math.ceil((ends[i] - now) / 1000)
	if left > 0 then
		redis.call('SET', key, string.format('%.0f', ends[i]), 'PX', string.format('%.0f', left))
	end
end
return 0
