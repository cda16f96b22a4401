-- What scep-analyzer says of one capture, for Wireshark and tshark: -X lua_script:THIS_FILE. Generated data in a fixed body.
-- Frames are told by their number, length, time and bytes: on any other capture this stays silent.

-- generated: data
local CAPTURE, FRAMES = "", {}
-- end of generated

-- A frame: { length, seconds, nanoseconds, Adler-32 of its bytes, { side, ... }, { finding, ... } }; seconds are nil where the capture holds no time.
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

local another = false  -- whether a frame was met that this capture does not have

local function adler32(bytes)
    local low, high = 1, 0
    for at = 1, #bytes do
        low = (low + bytes:byte(at)) % 65521
        high = (high + low) % 65521
    end
    return high * 65536 + low
end

local function is_the_frame(frame, tvb, pinfo)
    if pinfo.len ~= frame[1] then return false end
    -- Times are floating-point numbers here: half a microsecond is what they tell apart.
    if frame[2] ~= nil and math.abs(tonumber(pinfo.abs_ts) - (frame[2] + frame[3] / 1e9)) > 2e-6 then return false end
    return adler32(tvb:raw()) == frame[4]
end

local function say(frame, tvb, tree)
    local item = tree:add(scepan, tvb(0, 0), "scep-analyzer, " .. CAPTURE)
    item:set_generated()
    for _, side in ipairs(frame[5]) do
        local below = item:add(field.exchange, tvb(0, 0), side[1])
        below:set_generated()
        below:append_text(side[2] and ", request" or ", response")
        below:add(field.says, tvb(0, 0), side[6]):set_generated()
        if side[4] ~= nil then below:add(field.transaction, tvb(0, 0), side[4]):set_generated() end
        if side[3] ~= nil then below:add(field.outcome, tvb(0, 0), side[3]):set_generated() end
        if side[5] ~= nil then below:add(side[2] and field.response_in or field.request_in, tvb(0, 0), side[5]):set_generated() end
    end
    for _, finding in ipairs(frame[6]) do
        local below = item:add(field.finding, tvb(0, 0), finding[2])
        below:set_generated()
        below:add(field.severity, tvb(0, 0), finding[1]):set_generated()
        below:add_proto_expert_info(experts[finding[1]], finding[3])
    end
end

function scepan.dissector(tvb, pinfo, tree)
    local frame = FRAMES[pinfo.number]
    if frame == nil or another then return end
    if is_the_frame(frame, tvb, pinfo) then say(frame, tvb, tree) else another = true end
end

function scepan.init()
    another = false
end

register_postdissector(scepan)
