-- Sends the lines of a file, each with ids of its own: wrk … -s unique.lua URL -- FILE
-- A line is a path, a space and a body; @T@ in it becomes a random UUID and @C@ one of version 6, of this moment.
-- Ids are written in place: with a string for each part of a request, wrk would be slower than the servers it measures.

local ffi = require("ffi")
local bit = require("bit")
ffi.cdef([[
    typedef struct { int64_t seconds, nanoseconds; } milepost_time;
    int clock_gettime(int clock, milepost_time *time);
]])

local random, floor = math.random, math.floor
local rshift, band = bit.rshift, bit.band
local C, copy, string_of = ffi.C, ffi.copy, ffi.string
local requests = {}
local clock = ffi.new("milepost_time")
local first_second, high_base, low_base = 0, 0, 0
local last = -1
-- The two digits of every byte.
local digits = ffi.new("uint8_t[512]")
for byte = 0, 255 do
    copy(digits + 2 * byte, string.format("%02x", byte), 2)
end

-- Writes the digits of the lowest `count` bytes of a number below 2^32.
local function write_hex(target, at, number, count)
    for index = count - 1, 0, -1 do
        local byte = 2 * band(rshift(number, 8 * index), 255)
        target[at] = digits[byte]
        target[at + 1] = digits[byte + 1]
        at = at + 2
    end
end

-- The text at these places has the dashes already.
local function write_thread_id(target, at)
    write_hex(target, at, random(0, 4294967295), 4)
    write_hex(target, at + 9, random(0, 65535), 2)
    write_hex(target, at + 14, 16384 + random(0, 4095), 2)
    write_hex(target, at + 19, 32768 + random(0, 16383), 2)
    write_hex(target, at + 24, random(0, 65535), 2)
    write_hex(target, at + 28, random(0, 4294967295), 4)
end

-- Counts 100 ns, as UUIDs do, in two numbers: one would not be exact.
local function moment()
    C.clock_gettime(0, clock)
    local since = (tonumber(clock.seconds) - first_second) * 1e7 + floor(tonumber(clock.nanoseconds) / 100)
    last = since > last and since or last + 1
    local low = low_base + last
    return high_base + floor(low / 4096), low % 4096
end

local function write_checkpoint_id(target, at, high, low)
    write_hex(target, at, floor(high / 65536), 4)
    write_hex(target, at + 9, high % 65536, 2)
    write_hex(target, at + 14, 24576 + low, 2)
end

local function request_of(line, node)
    local path, body = line:match("^(%S+) (.*)$")
    local blank = "00000000-0000-0000-0000-000000000000"
    local threads, checkpoints = {}, {}
    local text, from = {}, 1
    local length = 0
    for before, mark, after in body:gmatch("()@([TC])@()") do
        text[#text + 1] = body:sub(from, before - 1)
        text[#text + 1] = mark == "T" and blank or blank:sub(1, 19) .. node
        length = length + before - from
        local places = mark == "T" and threads or checkpoints
        places[#places + 1] = length
        length = length + 36
        from = after
    end
    text[#text + 1] = body:sub(from)
    body = table.concat(text)
    local head = "POST " .. path .. " HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: "
        .. #body .. "\r\n\r\n"
    for _, places in ipairs({ threads, checkpoints }) do
        for index = 1, #places do
            places[index] = places[index] + #head
        end
    end
    local whole = head .. body
    local target = ffi.new("uint8_t[?]", #whole)
    copy(target, whole, #whole)
    return { text = whole, target = target, size = #whole, threads = threads, checkpoints = checkpoints }
end

function init(arguments)
    local source = io.open("/dev/urandom", "rb")
    local a, b, c, d = source:read(4):byte(1, 4)
    source:close()
    math.randomseed(a + 256 * (b + 256 * (c + 256 * d)))
    local node = string.format("a%03x-%06x%06x", random(0, 4095), random(0, 16777215), random(0, 16777215))

    C.clock_gettime(0, clock)
    first_second = tonumber(clock.seconds)
    local base = (clock.seconds + 12219292800LL) * 10000000LL
    high_base, low_base = tonumber(base / 4096LL), tonumber(base % 4096LL)

    for line in io.lines(arguments[1]) do
        requests[#requests + 1] = request_of(line, node)
    end
end

function request()
    local chosen = requests[random(1, #requests)]
    local threads, checkpoints = chosen.threads, chosen.checkpoints
    if #threads + #checkpoints == 0 then
        return chosen.text
    end
    for index = 1, #threads do
        write_thread_id(chosen.target, threads[index])
    end
    local high, low = moment()
    for index = 1, #checkpoints do
        write_checkpoint_id(chosen.target, checkpoints[index], high, low)
    end
    return string_of(chosen.target, chosen.size)
end

function done(summary, latency, _)
    local errors = summary.errors
    print(string.format(
        'RESULT {"requests":%d,"seconds":%.6f,"p50_us":%d,"p90_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d,"errors":%d}',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(90), latency:percentile(99),
        latency:percentile(99.9), latency.max,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout
    ))
end
