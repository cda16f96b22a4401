-- What scep-analyzer says of one capture, for Wireshark and tshark: -X lua_script:THIS_FILE. Generated data in a fixed body.
-- Knows its capture by all of its frames (how many, their lengths, the first bytes of each) and by length, time and all bytes of those that
-- it speaks about. On any other capture it is silent; tshark without -2 reads a frame once, so there it is silent from the first
-- frame on that differs.

-- generated: data
local CAPTURE, TOTAL, FRAMES = "", 0, {}
-- end of generated

-- A frame: { sum of all frames up to it, length, seconds, nanoseconds, Adler-32 of its bytes, { side, ... }, { finding, ... } }; seconds are nil
-- where the capture holds no time.
-- A side: { exchange, is request, outcome, transaction, frame at the other end, sentence }. A finding: { severity, rule, sentence }.

local scepan = Proto("scepan", "scep-analyzer")
local field = {
    exchange = ProtoField.uint32("scepan.exchange", "Exchange"),
    transaction = ProtoField.uint32("scepan.transaction", "Transaction"),
    outcome = ProtoField.string("scepan.outcome", "Outcome of the transaction"),
    says = ProtoField.string("scepan.says", "Message"),
    finding = ProtoField.string("scepan.finding", "Finding"),
    severity = ProtoField.string("scepan.severity", "Severity"),
    request_in = ProtoField.framenum("scepan.request_in", "Request in frame", base.NONE, frametype.REQUEST),
    response_in = ProtoField.framenum("scepan.response_in", "Response in frame", base.NONE, frametype.RESPONSE),
}
local experts = {
    error = ProtoExpert.new("scepan.error", "scep-analyzer: error", expert.group.PROTOCOL, expert.severity.ERROR),
    warning = ProtoExpert.new("scepan.warning", "scep-analyzer: warning", expert.group.PROTOCOL, expert.severity.WARN),
    info = ProtoExpert.new("scepan.note", "scep-analyzer: note", expert.group.PROTOCOL, expert.severity.NOTE),
}
local listed = {}
for _, each in pairs(field) do listed[#listed + 1] = each end
scepan.fields = listed
scepan.experts = { experts.error, experts.warning, experts.info }

local BEGINNING = 64  -- bytes of a frame that the sum covers
local another = false  -- whether a frame was met that this capture does not have
local seen, sum = 0, 0  -- how many frames were met so far, and their sum

local function adler32(bytes)
    local low, high = 1, 0
    for at = 1, #bytes do
        low = (low + bytes:byte(at)) % 65521
        high = (high + low) % 65521
    end
    return high * 65536 + low
end

-- The sum with one more frame in it.
local function sum_with(tvb, pinfo)
    local beginning = tvb:len() > 0 and tvb:raw(0, math.min(tvb:len(), BEGINNING)) or ""
    return (sum * 31 + pinfo.len + adler32(beginning)) % 2147483647
end

local function is_the_frame(frame, tvb, pinfo)
    if pinfo.len ~= frame[2] then return false end
    -- Times are floating-point numbers here: half a microsecond is what they tell apart.
    if frame[3] ~= nil and math.abs(tonumber(pinfo.abs_ts) - (frame[3] + frame[4] / 1e9)) > 2e-6 then return false end
    return adler32(tvb:raw()) == frame[5]
end

local function say(frame, tvb, tree)
    local item = tree:add(scepan, tvb(0, 0), "scep-analyzer, " .. CAPTURE)
    item:set_generated()
    for _, side in ipairs(frame[6]) do
        local below = item:add(field.exchange, tvb(0, 0), side[1])
        below:set_generated()
        below:append_text(side[2] and ", request" or ", response")
        below:add(field.says, tvb(0, 0), side[6]):set_generated()
        if side[4] ~= nil then below:add(field.transaction, tvb(0, 0), side[4]):set_generated() end
        if side[3] ~= nil then below:add(field.outcome, tvb(0, 0), side[3]):set_generated() end
        if side[5] ~= nil then below:add(side[2] and field.response_in or field.request_in, tvb(0, 0), side[5]):set_generated() end
    end
    for _, finding in ipairs(frame[7]) do
        local below = item:add(field.finding, tvb(0, 0), finding[2])
        below:set_generated()
        below:add(field.severity, tvb(0, 0), finding[1]):set_generated()
        below:add_proto_expert_info(experts[finding[1]], finding[3])
    end
end

function scepan.dissector(tvb, pinfo, tree)
    local frame, first = FRAMES[pinfo.number], not pinfo.visited
    if another then return end
    if first then
        sum, seen = sum_with(tvb, pinfo), seen + 1
        if seen > TOTAL or seen ~= pinfo.number or frame ~= nil and (sum ~= frame[1] or not is_the_frame(frame, tvb, pinfo)) then
            another = true
            return
        end
    end
    -- Frames are looked at again when all of them were read.
    if frame ~= nil and (first or seen == TOTAL) then say(frame, tvb, tree) end
end

function scepan.init()
    another, seen, sum = false, 0, 0
end

register_postdissector(scepan)
