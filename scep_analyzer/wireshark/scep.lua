-- SCEP (RFC 8894) in Wireshark and tshark: fields, tree, columns. Installed by `scep-analyzer wireshark install`.
-- Lua 5.2 to 5.4, Wireshark 4.0 and newer. MIT licence, as scep-analyzer.
--
-- Wireshark dissects HTTP, CMS (RFC 5652) and X.509 itself. This plugin brings them together: it gives the bodies of SCEP's media types
-- to CMS and X.509, decodes the message in the URL of a GET, and reads SCEP's signed attributes. Every call of a dissector with bytes
-- from the wire is a pcall: damage becomes an expert item, never a Lua error and never a [Malformed Packet].

-- generated: tables (from scep_analyzer's own, by docs/generate.py)
local VERSION = "0.1.0"
local OPERATIONS = {
    ["getcacaps"] = "GetCACaps",
    ["getcacert"] = "GetCACert",
    ["getcacertchain"] = "GetCACertChain",
    ["getnextcacert"] = "GetNextCACert",
    ["pkioperation"] = "PKIOperation",
}
local MESSAGE_TYPES = {
    [3] = "CertRep",
    [17] = "RenewalReq",
    [18] = "UpdateReq",
    [19] = "PKCSReq",
    [20] = "CertPoll",
    [21] = "GetCert",
    [22] = "GetCRL",
}
local PKI_STATUSES = {
    [0] = "SUCCESS",
    [2] = "FAILURE",
    [3] = "PENDING",
}
local FAIL_INFOS = {
    [0] = "badAlg",
    [1] = "badMessageCheck",
    [2] = "badRequest",
    [3] = "badTime",
    [4] = "badCertId",
}
local FAIL_INFO_MEANINGS = {
    [0] = "unrecognized or unsupported algorithm",
    [1] = "integrity check failed: the server could not verify the message",
    [2] = "transaction not permitted or supported",
    [3] = "the signingTime is not close enough to the server's clock",
    [4] = "no certificate matches",
}
local HRESULTS = {
    [0x80004005] = { "E_FAIL", "unspecified error: the text of event 31 in the Application log of the NDES server has the reason" },
    [0x80070002] = { "ERROR_FILE_NOT_FOUND", "a file, registry value or certificate that NDES needs does not exist" },
    [0x80070005] = { "E_ACCESSDENIED", "the NDES service account has no permission to enroll, or no permission on the CA" },
    [0x80070057] = { "E_INVALIDARG", "invalid argument: seen with a wrong challenge password, or one sent as a UTF8String" },
    [0x800706BA] = { "RPC_S_SERVER_UNAVAILABLE", "NDES cannot reach the CA (RPC/DCOM)" },
    [0x80090005] = { "NTE_BAD_DATA", "NDES cannot decrypt the request: it is encrypted for another certificate" },
    [0x80092012] = { "CRYPT_E_NO_REVOCATION_CHECK", "the revocation status of a certificate could not be checked" },
    [0x80092013] = { "CRYPT_E_REVOCATION_OFFLINE", "a CRL cannot be reached" },
    [0x800B0101] = { "CERT_E_EXPIRED", "an RA certificate or the signer's certificate has expired, or a clock is wrong" },
    [0x800B0109] = { "CERT_E_UNTRUSTEDROOT", "the root CA of the certificate chain is not trusted" },
    [0x800B010A] = { "CERT_E_CHAINING", "the certificate chain cannot be built up to a trusted root CA" },
    [0x80094001] = { "CERTSRV_E_BAD_REQUESTSUBJECT", "the subject is invalid or too long" },
    [0x80094002] = { "CERTSRV_E_NO_REQUEST", "the CA does not know the request (for example a poll for a deleted request)" },
    [0x80094003] = { "CERTSRV_E_BAD_REQUESTSTATUS", "the state of the request at the CA does not allow this operation" },
    [0x80094004] = { "CERTSRV_E_PROPERTY_EMPTY", "a property that the CA needs is empty" },
    [0x80094005] = { "CERTSRV_E_INVALID_CA_CERTIFICATE", "the certificate of the CA is invalid" },
    [0x80094006] = { "CERTSRV_E_SERVER_SUSPENDED", "the CA is suspended, for example while its database is being restored" },
    [0x80094007] = { "CERTSRV_E_ENCODING_LENGTH", "a value of the request is too long to be encoded" },
    [0x8009400E] = { "CERTSRV_E_BAD_RENEWAL_CERT_ATTRIBUTE", "the old certificate in a renewal request is invalid" },
    [0x8009400F] = { "CERTSRV_E_NO_DB_SESSIONS", "the CA is overloaded: all sessions with its database are in use" },
    [0x80094011] = { "CERTSRV_E_ENROLL_DENIED", "the NDES service account has no Request Certificates permission on the CA" },
    [0x80094012] = { "CERTSRV_E_TEMPLATE_DENIED", "the NDES service account has no permission to enroll for the certificate template" },
    [0x80094013] = { "CERTSRV_E_DOWNLEVEL_DC_SSL_OR_UPGRADE", "the domain controller is too old for this certificate template" },
    [0x80094014] = { "CERTSRV_E_ADMIN_DENIED_REQUEST", "a CA manager denied the request" },
    [0x80094015] = { "CERTSRV_E_NO_POLICY_SERVER", "no enrollment policy server is found" },
    [0x80094016] = { "CERTSRV_E_WEAK_SIGNATURE_OR_KEY", "the key or the signature of the request is too weak" },
    [0x80094017] = { "CERTSRV_E_KEY_ATTESTATION_NOT_SUPPORTED", "the CA does not support the key attestation that the template requires" },
    [0x80094018] = { "CERTSRV_E_ENCRYPTION_CERT_REQUIRED", "the request needs an encryption certificate and has none" },
    [0x80094800] = { "CERTSRV_E_UNSUPPORTED_CERT_TYPE", "the template that the registry of NDES names is not published on the CA" },
    [0x80094801] = { "CERTSRV_E_NO_CERT_TYPE", "the request names no template" },
    [0x80094802] = { "CERTSRV_E_TEMPLATE_CONFLICT", "the request names two different templates" },
    [0x80094803] = { "CERTSRV_E_SUBJECT_ALT_NAME_REQUIRED", "the template requires a subjectAltName, and the request has none" },
    [0x80094804] = { "CERTSRV_E_ARCHIVED_KEY_REQUIRED", "the template requires key archival, which SCEP cannot do" },
    [0x80094805] = { "CERTSRV_E_SMIME_REQUIRED", "the template requires S/MIME capabilities in the request" },
    [0x80094806] = { "CERTSRV_E_BAD_RENEWAL_SUBJECT", "the subject of the renewal request differs from the old certificate's" },
    [0x80094807] = { "CERTSRV_E_BAD_TEMPLATE_VERSION", "the request names another version of the template than the CA has" },
    [0x80094808] = { "CERTSRV_E_TEMPLATE_POLICY_REQUIRED", "the template requires an application policy in the signature of the request" },
    [0x80094809] = { "CERTSRV_E_SIGNATURE_POLICY_REQUIRED", "the template requires the signature of an enrollment agent" },
    [0x8009480A] = { "CERTSRV_E_SIGNATURE_COUNT", "the template requires more signatures than the request has" },
    [0x8009480B] = { "CERTSRV_E_SIGNATURE_REJECTED", "the signature of the enrollment agent is not accepted" },
    [0x8009480C] = { "CERTSRV_E_ISSUANCE_POLICY_REQUIRED", "the template requires an issuance policy in the signature of the request" },
    [0x8009480D] = { "CERTSRV_E_SUBJECT_UPN_REQUIRED", "the template builds the subject from Active Directory, and the account has no UPN" },
    [0x8009480E] = { "CERTSRV_E_SUBJECT_DIRECTORY_GUID_REQUIRED", "the template builds the subject from Active Directory, and the account has no directory GUID" },
    [0x8009480F] = { "CERTSRV_E_SUBJECT_DNS_REQUIRED", "the template builds the subject from Active Directory, and the account has no DNS name" },
    [0x80094810] = { "CERTSRV_E_ARCHIVED_KEY_UNEXPECTED", "the request carries a private key, and the template archives no keys" },
    [0x80094811] = { "CERTSRV_E_KEY_LENGTH", "the key is shorter than the minimum key size of the template" },
    [0x80094812] = { "CERTSRV_E_SUBJECT_EMAIL_REQUIRED", "the template builds the subject from Active Directory, and the account has no e-mail address" },
    [0x80094813] = { "CERTSRV_E_UNKNOWN_CERT_TYPE", "the CA does not know the template" },
    [0x80094814] = { "CERTSRV_E_CERT_TYPE_OVERLAP", "the templates of the request and of the old certificate exclude each other" },
    [0x80094815] = { "CERTSRV_E_TOO_MANY_SIGNATURES", "the request has more signatures than the template allows" },
    [0x80094816] = { "CERTSRV_E_RENEWAL_BAD_PUBLIC_KEY", "the public key of the renewal request is not accepted" },
    [0x80094817] = { "CERTSRV_E_INVALID_EK", "key attestation: the endorsement key of the TPM is invalid" },
    [0x80094818] = { "CERTSRV_E_INVALID_IDBINDING", "key attestation: the binding to the identity key is invalid" },
    [0x80094819] = { "CERTSRV_E_INVALID_ATTESTATION", "key attestation: the attestation data is invalid" },
    [0x8009481A] = { "CERTSRV_E_KEY_ATTESTATION", "key attestation: the request does not meet the requirements of the template" },
    [0x8009481B] = { "CERTSRV_E_CORRUPT_KEY_ATTESTATION", "key attestation: the attestation data is damaged" },
    [0x8009481C] = { "CERTSRV_E_EXPIRED_CHALLENGE", "key attestation: the challenge has expired" },
    [0x8009481D] = { "CERTSRV_E_INVALID_RESPONSE", "key attestation: the response of the client to the challenge is wrong" },
    [0x8009481E] = { "CERTSRV_E_INVALID_REQUESTID", "key attestation: the request number does not exist or is not the right one" },
    [0x8009481F] = { "CERTSRV_E_REQUEST_PRECERTIFICATE_MISMATCH", "the request and the precertificate differ" },
    [0x80094820] = { "CERTSRV_E_PENDING_CLIENT_RESPONSE", "key attestation: the CA waits for the client's response to the challenge" },
    [0x80094821] = { "CERTSRV_E_SEC_EXT_DIRECTORY_SID_REQUIRED", "the template requires the SID extension" },
}
local ATTRIBUTE_NAMES = {
    ["2.16.840.1.113733.1.9.2"] = "message_type",
    ["2.16.840.1.113733.1.9.3"] = "pki_status",
    ["2.16.840.1.113733.1.9.4"] = "fail_info",
    ["2.16.840.1.113733.1.9.5"] = "sender_nonce",
    ["2.16.840.1.113733.1.9.6"] = "recipient_nonce",
    ["2.16.840.1.113733.1.9.7"] = "transaction_id",
    ["1.3.6.1.5.5.7.24.1"] = "fail_info_text",
    ["1.3.6.1.5.5.7.24"] = "fail_info_text",
    ["1.3.6.1.4.1.311.21.33"] = "hresult",
}
local ATTRIBUTES = {
    ["message_type"] = "messageType",
    ["pki_status"] = "pkiStatus",
    ["fail_info"] = "failInfo",
    ["sender_nonce"] = "senderNonce",
    ["recipient_nonce"] = "recipientNonce",
    ["transaction_id"] = "transactionID",
    ["fail_info_text"] = "failInfoText",
    ["hresult"] = "ENROLL_SCEP_ERROR",
}
local OTHER_ATTRIBUTES = {
    ["1.2.840.113549.1.9.7"] = "challengePassword",
    ["1.2.840.113549.1.9.25.3"] = "randomNonce",
    ["1.2.840.113549.1.9.52"] = "cmsAlgorithmProtection",
    ["1.2.840.113549.1.9.15"] = "smimeCapabilities",
    ["2.16.840.1.113733.1.9.8"] = "extensionReq",
    ["1.3.6.1.4.1.4263.5.5"] = "proxyAuthenticator",
    ["1.3.6.1.4.1.311.21.34"] = "ENROLL_SCEP_SERVER_STATE",
    ["1.3.6.1.4.1.311.21.35"] = "ENROLL_SCEP_CHALLENGE_ANSWER",
    ["1.3.6.1.4.1.311.21.37"] = "ENROLL_SCEP_CLIENT_REQUEST",
    ["1.3.6.1.4.1.311.21.38"] = "ENROLL_SCEP_SERVER_MESSAGE",
    ["1.3.6.1.4.1.311.21.40"] = "ENROLL_SCEP_SERVER_SECRET",
    ["1.3.6.1.4.1.311.21.42"] = "ENROLL_SCEP_SIGNER_HASH",
}
local SECRET_ATTRIBUTES = {
    ["1.2.840.113546.1.9.7"] = true,
    ["1.2.840.113549.1.9.7"] = true,
    ["1.2.840.15233.9.7"] = true,
    ["1.3.6.1.4.1.311.21.35"] = true,
    ["1.3.6.1.4.1.311.21.40"] = true,
}
local CAPABILITIES = {
    ["aes"] = "AES-128-CBC for envelopes.",
    ["des3"] = "3DES-CBC for envelopes.",
    ["getnextcacert"] = "The server has the operation GetNextCACert, for a rollover of the CA.",
    ["postpkioperation"] = "PKIOperation may be sent by POST; the client then has to do so.",
    ["renewal"] = "The server renews a certificate on a request that is signed with this certificate (RenewalReq).",
    ["sha-1"] = "SHA-1 for digests.",
    ["sha-224"] = "SHA-224 for digests. Some servers list it; RFC 8894 has no such keyword.",
    ["sha-256"] = "SHA-256 for digests.",
    ["sha-384"] = "SHA-384 for digests. Some servers list it; RFC 8894 has no such keyword.",
    ["sha-512"] = "SHA-512 for digests.",
    ["scepstandard"] = "The server does all that RFC 8894 requires: AES, POSTPKIOperation and SHA-256.",
    ["update"] = "A second capability beside Renewal in early versions of draft-gutmann-scep: the server accepts a request that a certificate of another CA signs (UpdateReq, 18). RFC 8894 dropped it; a RenewalReq does the same.",
}
local MEDIA_TYPES = { "application/x-pki-message", "application/x-x509-ca-cert", "application/x-x509-ca-ra-cert", "application/x-x509-ca-ra-cert-chain", "application/x-x509-next-ca-cert", "x-pki-message" }
-- end of generated

local NUMBERS = { message_type = MESSAGE_TYPES, pki_status = PKI_STATUSES, fail_info = FAIL_INFOS }

local scep = Proto("scep", "Simple Certificate Enrollment Protocol")
local attributes = Proto("scep_attributes", "SCEP signed attributes")
local envelope = Proto("scep_envelope", "SCEP pkcsPKIEnvelope")
local whole_frames = Proto("scep_frames", "SCEP in HTTP frames")

local field = {
    operation = ProtoField.string("scep.operation", "Operation"),
    ca_identifier = ProtoField.string("scep.ca_identifier", "CA identifier"),
    message_type = ProtoField.int32("scep.message_type", "messageType", base.DEC, MESSAGE_TYPES),
    transaction_id = ProtoField.string("scep.transaction_id", "transactionID"),
    pki_status = ProtoField.int32("scep.pki_status", "pkiStatus", base.DEC, PKI_STATUSES),
    fail_info = ProtoField.int32("scep.fail_info", "failInfo", base.DEC, FAIL_INFOS),
    fail_info_text = ProtoField.string("scep.fail_info_text", "failInfoText"),
    sender_nonce = ProtoField.bytes("scep.sender_nonce", "senderNonce"),
    recipient_nonce = ProtoField.bytes("scep.recipient_nonce", "recipientNonce"),
    hresult = ProtoField.uint32("scep.hresult", "HRESULT", base.HEX),
    hresult_name = ProtoField.string("scep.hresult.name", "HRESULT name"),
    hresult_meaning = ProtoField.string("scep.hresult.meaning", "HRESULT meaning"),
    attribute = ProtoField.string("scep.attribute", "Other signed attribute"),
    capability = ProtoField.string("scep.capability", "Capability"),
    certificates = ProtoField.uint32("scep.certificates", "Certificates"),
    status_code = ProtoField.uint32("scep.http_status", "HTTP status"),
    response_in = ProtoField.framenum("scep.response_in", "Response in frame", base.NONE, frametype.RESPONSE),
    request_in = ProtoField.framenum("scep.request_in", "Request in frame", base.NONE, frametype.REQUEST),
}
local expert_of = {
    damaged = ProtoExpert.new("scep.damaged", "The SCEP message is damaged", expert.group.PROTOCOL, expert.severity.WARN),
    form = ProtoExpert.new("scep.form", "A SCEP attribute is not sent as RFC 8894 says", expert.group.PROTOCOL, expert.severity.NOTE),
    refused = ProtoExpert.new("scep.refused", "The server refuses the request", expert.group.RESPONSE_CODE, expert.severity.WARN),
    unmatched = ProtoExpert.new("scep.unmatched", "The response does not match the request", expert.group.SEQUENCE, expert.severity.WARN),
}
local function values_of(named)
    local values = {}
    for _, each in pairs(named) do values[#values + 1] = each end
    return values
end
scep.fields = values_of(field)
scep.experts = values_of(expert_of)

scep.prefs.ports = Pref.range("HTTP on these TCP ports", "", "TCP ports whose traffic is HTTP with SCEP in it, where Wireshark does not see that itself", 65535)
scep.prefs.media_types = Pref.string("More content types", "", "Further content types of SCEP messages, separated by commas")
scep.prefs.any_type = Pref.bool("Messages of any content type", true, "Recognize a pkiMessage by its bytes, whatever its content type says")

local media_types, by_oid = DissectorTable.get("media_type"), DissectorTable.get("ber.oid")
local cms = media_types:get_dissector("application/pkcs7-mime")
local x509 = media_types:get_dissector("application/pkix-cert")
local ID_DATA = "1.2.840.113549.1.7.1"
local mail = by_oid:get_dissector(ID_DATA)

local function extractor(name)  -- a field that this Wireshark does not know has no values
    local known, found = pcall(Field.new, name)
    return known and found or function() end
end
local http = {
    uri = extractor("http.request.uri"), code = extractor("http.response.code"), phrase = extractor("http.response.phrase"),
    request_in = extractor("http.request_in"), body = extractor("http.file_data"),
    path2 = extractor("http2.headers.path"), status2 = extractor("http2.headers.status"), stream2 = extractor("http2.streamid"),
    data2 = extractor("http2.data.data"), joined2 = extractor("http2.body.reassembled.data"), end2 = extractor("http2.flags.end_stream"),
    connection = extractor("tcp.stream"),
}

-- What requests asked, by what leads back to them: the frame number, in HTTP/2 the connection and stream.
local asked = {}
-- What the message that is being dissected has shown, nil outside of one.
local current
-- What this frame has shown before its post-dissector runs.
local shown = { frame = -1 }

local LIMIT = 65535  -- bytes of a value that are read
local INSIDE = 2 ^ 24  -- bytes of a message that are looked at
local SIGNED_DATA = "\42\134\72\134\247\13\1\7\2"
local SCEP_ARC = "\96\134\72\1\134\248\69\1\9"  -- 2.16.840.1.113733.1.9

---------------------------------------------------------------------------------------------------------------------------------
-- BER

-- The element at `at` of a string: its tag byte, where its content begins and ends, where the next element begins. nil: it does not fit.
local function element(bytes, at, depth)
    local tag, first = bytes:byte(at, at + 1)
    if first == nil or tag % 32 == 31 then return nil end
    local begin, length = at + 2, first
    if first == 128 then  -- indefinite: the content ends with two zero bytes
        local inside = begin
        while bytes:sub(inside, inside + 1) ~= "\0\0" do
            if (depth or 0) > 8 then return nil end
            local _, _, _, behind = element(bytes, inside, (depth or 0) + 1)
            if behind == nil then return nil end
            inside = behind
        end
        return tag, begin, inside - 1, inside + 2
    elseif first > 128 then
        if first > 132 then return nil end
        length = 0
        for each = begin, begin + first - 129 do
            local byte = bytes:byte(each)
            if byte == nil then return nil end
            length = length * 256 + byte
        end
        begin = begin + first - 128
    end
    if begin + length - 1 > #bytes then return nil end
    return tag, begin, begin + length - 1, begin + length
end

-- Whether what lies between two places of a string is whole BER, each element inside the one around it.
local function is_whole(bytes, at, last, depth)
    while at <= last do
        local tag, begin, stop, behind = element(bytes, at)
        if tag == nil or behind > last + 1 or (depth or 0) > 40 then return false end
        if math.floor(tag / 32) % 2 == 1 and not is_whole(bytes, begin, stop, (depth or 0) + 1) then return false end
        at = behind
    end
    return true
end

-- The content of a value, the pieces of a constructed string joined.
local function content_of(bytes, tag, begin, last)
    if tag < 32 or tag >= 64 or tag == 48 or tag == 49 then return bytes:sub(begin, last) end
    local pieces, at = {}, begin
    while at <= last do
        local inner, from, to, behind = element(bytes, at)
        if inner == nil then break end
        pieces[#pieces + 1] = content_of(bytes, inner, from, to)
        at = behind
    end
    return table.concat(pieces)
end

local TYPES = { [2] = "INTEGER", [4] = "OCTET STRING", [12] = "UTF8String", [19] = "PrintableString", [20] = "T61String", [22] = "IA5String",
    [26] = "VisibleString", [28] = "UniversalString", [30] = "BMPString" }
local function type_name(tag)
    return TYPES[tag] or TYPES[tag % 32] or string.format("tag 0x%02x", tag)
end

local function hex(bytes)
    return (bytes:gsub(".", function(each) return string.format("%02x", each:byte()) end))
end

local function utf8_of(code)
    if code < 128 then return string.char(code) end
    if code < 2048 then return string.char(192 + math.floor(code / 64), 128 + code % 64) end
    return string.char(224 + math.floor(code / 4096), 128 + math.floor(code / 64) % 64, 128 + code % 64)
end

-- A string value as UTF-8; in hex where the type is no string.
local function text_of(tag, content)
    local kind = tag % 32
    if kind == 30 and #content % 2 == 0 then
        return (content:gsub("(.)(.)", function(high, low) return utf8_of(high:byte() * 256 + low:byte()) end))
    end
    if kind == 12 or kind == 19 or kind == 22 or kind == 26 or kind == 18 then return content end
    if kind == 20 then return (content:gsub("[\128-\255]", function(each) return utf8_of(each:byte()) end)) end
    return hex(content)
end

local function number_of(tag, content)
    if tag == 2 then
        local number = 0
        for at = 1, #content do number = number * 256 + content:byte(at) end
        if #content > 0 and content:byte() > 127 then number = number - 256 ^ #content end
        return #content <= 5 and #content > 0 and number or nil
    end
    local digits = text_of(tag, content):match("^%s*([+-]?%d+)%s*$")
    return digits and #digits < 16 and tonumber(digits) or nil
end

-- An OID in BER, without tag and length.
local function encoded(oid)
    local bytes, arcs = {}, {}
    for arc in oid:gmatch("%d+") do arcs[#arcs + 1] = tonumber(arc) end
    table.insert(arcs, 1, table.remove(arcs, 1) * 40 + table.remove(arcs, 1))
    for _, arc in ipairs(arcs) do
        local digits = string.char(arc % 128)
        while arc >= 128 do
            arc = math.floor(arc / 128)
            digits = string.char(128 + arc % 128) .. digits
        end
        bytes[#bytes + 1] = digits
    end
    return table.concat(bytes)
end

-- An OID as dotted numbers, from its bytes.
local function dotted(bytes)
    local arcs, arc = {}, 0
    for at = 1, #bytes do
        arc = arc * 128 + bytes:byte(at) % 128
        if bytes:byte(at) < 128 then
            arcs[#arcs + 1] = string.format("%.0f", arc)
            arc = 0
        end
    end
    local first = tonumber(arcs[1] or "0")
    local root = math.min(math.floor(first / 40), 2)
    arcs[1] = string.format("%.0f.%.0f", root, first - root * 40)
    return table.concat(arcs, ".")
end

---------------------------------------------------------------------------------------------------------------------------------
-- Grammar: what CMS and X.509 take without complaint (RFC 5652, Section 4 and on; RFC 5280, Section 4.1)
--
-- Wireshark's dissectors mark a frame as malformed where a structure is not as they expect, and nothing takes the mark away. A damaged
-- message must not do that to a frame which is fine without this plugin, so they get what fits this grammar only.
-- A rule takes a string, a place and the last place; it gives the place behind the element, nil where the element is another.
-- A content rule takes a string, first and last place; it gives whether that fits.

local function of_tag(tag, content)
    return function(bytes, at, last)
        local found, begin, stop, behind = element(bytes, at)
        if found ~= tag or behind > last + 1 or (content and not content(bytes, begin, stop)) then return nil end
        return behind
    end
end

local function either(...)
    local rules = { ... }
    return function(bytes, at, last)
        for _, rule in ipairs(rules) do
            local behind = rule(bytes, at, last)
            if behind then return behind end
        end
        return nil
    end
end

local function maybe(rule)
    return function(bytes, at, last) return at <= last and rule(bytes, at, last) or at end
end

local function in_order(...)
    local rules = { ... }
    return function(bytes, at, last)
        for _, rule in ipairs(rules) do
            at = rule(bytes, at, last)
            if at == nil then return false end
        end
        return at == last + 1
    end
end

local function list_of(rule)
    return function(bytes, at, last)
        while at <= last do
            at = rule(bytes, at, last)
            if at == nil then return false end
        end
        return at == last + 1
    end
end

local function sized(least, most)
    return function(_, at, last) return last - at + 1 >= least and last - at + 1 <= most end
end

local function matching(...)
    local patterns = { ... }
    return function(bytes, at, last)
        for _, pattern in ipairs(patterns) do
            if bytes:sub(at, last):find(pattern) then return true end
        end
        return false
    end
end

local function sequence(...) return of_tag(48, in_order(...)) end
local function sequence_of(rule) return of_tag(48, list_of(rule)) end
local function set_of(rule) return of_tag(49, list_of(rule)) end

local function anything(bytes, at, last)
    local tag, _, _, behind = element(bytes, at)
    return tag and behind <= last + 1 and is_whole(bytes, at, behind - 1) and behind or nil
end

-- An OID, then what depends on it: `rules` by OID in BER, `other` for the rest (its rule gets the OID, too).
local function by_type(rules, other)
    return function(bytes, at, last)
        local tag, begin, stop, behind = element(bytes, at)
        if tag ~= 6 or behind > last + 1 or stop < begin or bytes:byte(stop) > 127 or bytes:byte(begin) == 128 then return false end
        local oid = bytes:sub(begin, stop)
        return (rules[oid] or other)(bytes, behind, last, oid)
    end
end

local OBJECT_ID = of_tag(6, function(bytes, at, last) return last >= at and bytes:byte(last) < 128 and bytes:byte(at) ~= 128 end)
local SMALL, NUMBER, NOTHING, TRUTH = of_tag(2, sized(1, 4)), of_tag(2, sized(1, LIMIT)), of_tag(5, sized(0, 0)), of_tag(1, sized(1, 1))
local OCTETS = of_tag(4)
local LONG_OCTETS = either(OCTETS, of_tag(36, list_of(OCTETS)))
local function is_bits(bytes, at, last) return last >= at and bytes:byte(at) < 8 and (last > at or bytes:byte(at) == 0) end
local BITS = of_tag(3, is_bits)
local ZONE = "[%+%-][01]%d[0-5]%d$"
local TIME = either(
    of_tag(23, matching("^%d%d[01]%d[0-3]%d[0-2]%d[0-5]%dZ$", "^%d%d[01]%d[0-3]%d[0-2]%d[0-5]%d[0-5]%dZ$", "^%d%d[01]%d[0-3]%d[0-2]%d[0-5]%d[0-5]%d" .. ZONE)),
    of_tag(24, matching("^%d%d%d%d[01]%d[0-3]%d[0-2]%d[0-5]%d[0-5]%dZ$", "^%d%d%d%d[01]%d[0-3]%d[0-2]%d[0-5]%d[0-5]%d" .. ZONE)))

local function table_of(...)  -- { rule, OIDs... }, ...
    local rules = {}
    for _, each in ipairs({ ... }) do
        for at = 2, #each do rules[encoded(each[at])] = each[1] end
    end
    return rules
end

-- What this Wireshark has no dissector for is shown as bytes.
local function of_nobody(rule)
    return function(bytes, at, last, oid) return by_oid:get_dissector(dotted(oid)) == nil and rule(bytes, at, last) end
end
local VECTOR = in_order(OCTETS)
local ALGORITHM = of_tag(48, by_type(table_of(
    { VECTOR, "1.3.14.3.2.7", "1.2.840.113549.3.7", "2.16.840.1.101.3.4.1.2", "2.16.840.1.101.3.4.1.22", "2.16.840.1.101.3.4.1.42" },
    { in_order(sequence(maybe(SMALL), OCTETS)), "1.2.840.113549.3.2" },
    { in_order(OBJECT_ID), "1.2.840.10045.2.1" },
    { in_order(maybe(of_tag(48, is_whole))), "1.2.840.113549.1.1.7", "1.2.840.113549.1.1.10" }), in_order(maybe(NOTHING))))

local DIRECTORY_STRING = in_order(either(of_tag(12), of_tag(19), of_tag(20), of_tag(28), of_tag(30)))
local PRINTABLE, IA5 = in_order(of_tag(19)), in_order(of_tag(22))
local NAME = sequence_of(set_of(of_tag(48, by_type(table_of(
    { PRINTABLE, "2.5.4.5", "2.5.4.6", "2.5.4.46" },
    { IA5, "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25" },
    { DIRECTORY_STRING, "2.5.4.3", "2.5.4.4", "2.5.4.7", "2.5.4.8", "2.5.4.9", "2.5.4.10", "2.5.4.11", "2.5.4.12", "2.5.4.13", "2.5.4.17",
        "2.5.4.41", "2.5.4.42", "2.5.4.43", "2.5.4.44", "2.5.4.65", "0.9.2342.19200300.100.1.1" },
    { in_order(either(of_tag(22), of_tag(12), of_tag(19), of_tag(20), of_tag(30))), "1.2.840.113549.1.9.2", "1.2.840.113549.1.9.8" }),
    of_nobody(in_order(anything))))))

local KEY = sequence(NUMBER, NUMBER)
local PUBLIC_KEY = of_tag(48, function(bytes, at, last)
    local behind = ALGORITHM(bytes, at, last)
    if behind == nil or BITS(bytes, behind, last) ~= last + 1 then return false end
    local _, begin, stop = element(bytes, behind)
    local is_rsa = bytes:sub(at, behind):find(encoded("1.2.840.113549.1.1.1"), 1, true)
    return not is_rsa or KEY(bytes, begin + 1, stop) == stop + 1
end)

local GENERAL_NAME = either(of_tag(129), of_tag(130), of_tag(134), of_tag(135, matching("^....$", "^" .. ("."):rep(16) .. "$")), of_tag(136),
    of_tag(164, in_order(NAME)), of_tag(160, in_order(OBJECT_ID, of_tag(160, in_order(either(of_tag(12), of_tag(22), of_tag(19)))))))
local GENERAL_NAMES = list_of(GENERAL_NAME)
local POINT = sequence(maybe(of_tag(160, in_order(of_tag(160, GENERAL_NAMES)))), maybe(of_tag(162, GENERAL_NAMES)))
local function inside(rule)  -- an OCTET STRING that holds what the rule says
    return function(bytes, at, last)
        local tag, begin, stop, behind = element(bytes, at)
        return tag == 4 and behind <= last + 1 and rule(bytes, begin, stop) == stop + 1 and behind or nil
    end
end
local function extension(rule) return in_order(maybe(TRUTH), inside(rule)) end
local EXTENSION = of_tag(48, by_type(table_of(
    { extension(OCTETS), "2.5.29.14" }, { extension(BITS), "2.5.29.15" },
    { extension(sequence(maybe(TRUTH), maybe(SMALL))), "2.5.29.19" },
    { extension(of_tag(48, GENERAL_NAMES)), "2.5.29.17", "2.5.29.18" },
    { extension(sequence(maybe(of_tag(128)), maybe(of_tag(161, GENERAL_NAMES)), maybe(of_tag(130, sized(1, LIMIT))))), "2.5.29.35" },
    { extension(sequence_of(OBJECT_ID)), "2.5.29.37" }, { extension(sequence_of(POINT)), "2.5.29.31", "2.5.29.46" },
    { extension(sequence_of(sequence(OBJECT_ID))), "2.5.29.32" },
    { extension(sequence_of(sequence(OBJECT_ID, GENERAL_NAME))), "1.3.6.1.5.5.7.1.1" },
    { extension(of_tag(30)), "1.3.6.1.4.1.311.20.2" }, { extension(NUMBER), "1.3.6.1.4.1.311.21.1" },
    { extension(OCTETS), "1.3.6.1.4.1.311.21.2" },
    { extension(sequence(OBJECT_ID, maybe(SMALL), maybe(SMALL))), "1.3.6.1.4.1.311.21.7" },
    { extension(sequence_of(sequence(OBJECT_ID))), "1.3.6.1.4.1.311.21.10" }), of_nobody(extension(anything))))
local CERTIFICATE = sequence(
    sequence(maybe(of_tag(160, in_order(SMALL))), NUMBER, ALGORITHM, NAME, sequence(TIME, TIME), NAME, PUBLIC_KEY, maybe(of_tag(129, is_bits)),
        maybe(of_tag(130, is_bits)), maybe(of_tag(163, in_order(sequence_of(EXTENSION))))),
    ALGORITHM, BITS)

local ATTRIBUTE = of_tag(48, by_type(table_of(
    { in_order(set_of(OBJECT_ID)), "1.2.840.113549.1.9.3" }, { in_order(set_of(OCTETS)), "1.2.840.113549.1.9.4" },
    { in_order(set_of(TIME)), "1.2.840.113549.1.9.5" }), in_order(set_of(anything))))
local SIGNER = sequence(NAME, NUMBER)
local SIGNER_INFO = sequence(SMALL, either(SIGNER, of_tag(128)), ALGORITHM, maybe(of_tag(160, list_of(ATTRIBUTE))), ALGORITHM, OCTETS,
    maybe(of_tag(161, list_of(ATTRIBUTE))))
-- Content of another type than id-data goes to the dissector of that type, which this grammar does not know.
local CONTENT = of_tag(48, by_type(table_of({ in_order(maybe(of_tag(160, in_order(LONG_OCTETS)))), ID_DATA }), in_order()))
local SIGNED = sequence(SMALL, set_of(ALGORITHM), CONTENT,
    maybe(of_tag(160, list_of(CERTIFICATE))), maybe(of_tag(161, sized(0, 0))), set_of(SIGNER_INFO))
local RECIPIENT = sequence(SMALL, either(SIGNER, of_tag(128)), ALGORITHM, OCTETS)
local ENVELOPED = sequence(SMALL, set_of(RECIPIENT), sequence(OBJECT_ID, ALGORITHM, maybe(either(of_tag(128), of_tag(160, list_of(OCTETS))))))
local CMS = of_tag(48, by_type(table_of({ in_order(of_tag(160, in_order(SIGNED))), "1.2.840.113549.1.7.2" },
    { in_order(of_tag(160, in_order(ENVELOPED))), "1.2.840.113549.1.7.3" }), function() return false end))

---------------------------------------------------------------------------------------------------------------------------------
-- Signed attributes

local function printable(text)
    return (text:gsub("[%c\127]", function(each) return string.format("\\x%02x", each:byte()) end))
end

local function ascii(text)
    return (text:gsub("[%c\127-\255]", function(each) return string.format("\\x%02x", each:byte()) end))
end

local function note(list, kind, text)
    list[#list + 1] = { kind = kind, text = text }
end

-- Read one value: what to show (nil: nothing that is a field), and what is unusual about it.
local function value_of(name, tag, content, notes)
    if NUMBERS[name] or name == "hresult" then
        local number = number_of(tag, content)
        if number == nil or number < -2147483648 or number > 4294967295 or (number > 2147483647 and name ~= "hresult") then
            note(notes, "form", ATTRIBUTES[name] .. " is \"" .. ascii(content:sub(1, 40)) .. "\", which is not a number")
            return nil
        end
        if tag ~= 19 then note(notes, "form", ATTRIBUTES[name] .. " is " .. type_name(tag) .. ", where PrintableString belongs") end
        return name == "hresult" and number % 4294967296 or number
    elseif name == "sender_nonce" or name == "recipient_nonce" then
        if tag ~= 4 or #content ~= 16 then
            note(notes, "form", ATTRIBUTES[name] .. " is " .. type_name(tag) .. " of " .. #content .. " bytes, where OCTET STRING of 16 belongs")
        end
        return content
    end
    if name == "transaction_id" and tag ~= 19 then
        note(notes, "form", ATTRIBUTES[name] .. " is " .. type_name(tag) .. ", where PrintableString belongs")
    end
    return text_of(tag, content)
end

local function words_of(name, value)
    if NUMBERS[name] then
        return (NUMBERS[name][value] or "unknown") .. " (" .. string.format("%d", value) .. ")"
    elseif name == "hresult" then
        return string.format("0x%08X", value) .. (HRESULTS[value] and " " .. HRESULTS[value][1] or "")
    elseif name == "sender_nonce" or name == "recipient_nonce" then
        return hex(value)
    end
    return printable(value)
end

-- Add a value to a tree, with what it means and what is unusual about it.
local function add_value(tree, range, name, value, notes)
    local item
    if name == "sender_nonce" or name == "recipient_nonce" then
        item = tree:add(field[name], range)
    elseif value ~= nil then
        item = tree:add(field[name], range, value)
    else
        item = tree:add(range, ATTRIBUTES[name] or name)
    end
    if name == "fail_info" and FAIL_INFO_MEANINGS[value] then
        item:append_text(": " .. FAIL_INFO_MEANINGS[value])
    elseif name == "hresult" and HRESULTS[value] then
        item:append_text(" " .. HRESULTS[value][1])
        item:add(field.hresult_name, range, HRESULTS[value][1])
        item:add(field.hresult_meaning, range, HRESULTS[value][2])
    end
    for _, each in ipairs(notes) do item:add_proto_expert_info(expert_of[each.kind], each.text) end
    return item
end

-- Keep the first value of an attribute for the message that is being dissected.
local function keep(name, oid, value, notes, at, length)
    local found = current.attributes
    if found[name] == nil or (name == "fail_info_text" and found[name].value == nil) then
        found[name] = { value = value, notes = notes, at = at, length = length, oid = oid }
    elseif oid == found[name].oid then
        note(found[name].notes, "form", ATTRIBUTES[name] .. " has several values; the first is shown")
    end
end

local function read_attribute(tvb, oid, tree)
    local name = ATTRIBUTE_NAMES[oid]
    local bytes = tvb:raw(0, math.min(tvb:len(), LIMIT))
    local tag, begin, last, behind = element(bytes, 1)
    if tag == nil then
        tree:add(tvb(), (ATTRIBUTES[name] or OTHER_ATTRIBUTES[oid]) .. ": damaged")
            :add_proto_expert_info(expert_of.damaged, "The value of a signed attribute does not fit into the message")
        return tvb:len()
    end
    local content, notes = content_of(bytes, tag, begin, last), {}
    local range = last >= begin and tvb(begin - 1, last - begin + 1) or tvb(0, behind - 1)
    if name == nil then
        local shows = SECRET_ATTRIBUTES[oid] and "(not shown, " .. #content .. " bytes)" or printable(text_of(tag, content):sub(1, 200))
        tree:add(field.attribute, range, OTHER_ATTRIBUTES[oid] .. ": " .. shows)
        return behind - 1
    end
    local value = value_of(name, tag, content, notes)
    if current == nil then  -- CMS that is not in a SCEP exchange: a file, a mail
        add_value(tree, range, name, value, notes)
        return behind - 1
    end
    tree:add(range, ATTRIBUTES[name] .. ": " .. (value ~= nil and words_of(name, value) or printable(text_of(tag, content):sub(1, 40))))
    keep(name, oid, value, notes, tvb:offset() + begin - 1, math.max(last - begin + 1, 0))
    return behind - 1
end

function attributes.dissector(tvb, pinfo, tree)
    local good, used = pcall(read_attribute, tvb, tostring(pinfo.match), tree)
    return good and used or tvb:len()
end

-- Where the content of the SignedData lies: it is dissected once CMS has returned, because CMS keeps what it reads in globals.
function envelope.dissector(tvb, _, _)
    if tvb:len() == 0 then return 1 end  -- 0 would mean that nobody dissects it, and CMS would read on behind its end
    if current ~= nil and current.content == nil then
        current.content = { at = tvb:offset(), bytes = tvb:raw() }
    end
    return tvb:len()
end

local SIGNS = {}  -- how an attribute begins: its OID, then a SET
for oid in pairs(ATTRIBUTE_NAMES) do
    local bytes = encoded(oid)
    SIGNS[oid] = "\6" .. string.char(#bytes) .. bytes .. "\49"
end

-- The attributes that can still be read in a message which is damaged or cut.
local function salvage(tvb, bytes)
    for oid, name in pairs(ATTRIBUTE_NAMES) do
        local _, set = bytes:find(SIGNS[oid], 1, true)
        local _, inside = element(bytes, set or #bytes + 1)
        local tag, begin, last = element(bytes, inside or #bytes + 1)
        if tag ~= nil then
            local notes = {}
            local value = value_of(name, tag, content_of(bytes, tag, begin, last), notes)
            keep(name, oid, value, notes, tvb:offset() + begin - 1, math.max(last - begin + 1, 0))
        end
    end
end

---------------------------------------------------------------------------------------------------------------------------------
-- Messages

-- Call a dissector of Wireshark's; gives whether it came to the end. id-data, which is registered for mail, is SCEP's meanwhile.
local function dissect(dissector, grammar, tvb, pinfo, tree)
    local length = math.min(tvb:len(), INSIDE)
    if dissector == nil or not grammar(tvb:raw(0, length), 1, length) then return false end
    by_oid:add(ID_DATA, envelope)
    local good = pcall(dissector.call, dissector, tvb, pinfo, tree)
    if mail ~= nil then by_oid:add(ID_DATA, mail) else by_oid:remove(ID_DATA, envelope) end
    return good
end

-- A piece of a message as a range of its tvb; nil where it is not in it.
local function range_in(tvb, at, length)
    local from = at - tvb:offset()
    if length <= 0 or from < 0 or from + length > tvb:len() then return nil end
    return tvb(from, length)
end

local ORDER = { "message_type", "pki_status", "fail_info", "fail_info_text", "hresult", "transaction_id", "sender_nonce", "recipient_nonce" }

local function add_attributes(item, tvb, found)
    for _, name in ipairs(ORDER) do
        local each = found[name]
        if each ~= nil then
            local range = range_in(tvb, each.at, each.length)
            if range == nil and each.length > 0 and each.value ~= nil and type(each.value) == "string" then
                item:add(field.attribute, ATTRIBUTES[name] .. ": " .. words_of(name, each.value))
            else
                add_value(item, range or tvb(), name, range and each.value or nil, each.notes)
            end
        end
    end
end

local function add_envelope(item, tvb, pinfo, content)
    if content == nil or #content.bytes == 0 then return end
    local range = range_in(tvb, content.at, #content.bytes)
    local inner
    if range ~= nil and range:raw() == content.bytes then
        inner = range:tvb()
    else  -- an OCTET STRING in pieces, joined by CMS
        inner = ByteArray.new(content.bytes, true):tvb("SCEP pkcsPKIEnvelope")
        range = inner()
    end
    local below = item:add(range, "pkcsPKIEnvelope")
    local tag, begin = element(content.bytes, 1)
    if #content.bytes < 8 then
        below:append_text(": a placeholder of " .. #content.bytes .. (#content.bytes == 1 and " byte" or " bytes") .. ", without meaning (NDES sends it)")
    elseif tag ~= 48 or content.bytes:byte(begin) ~= 6 then
        below:add_proto_expert_info(expert_of.damaged, "The content of the SignedData is not a CMS structure")
    elseif not dissect(cms, CMS, inner, pinfo, below) then
        below:add_proto_expert_info(expert_of.damaged, "The envelope is damaged or cut")
    end
end

-- How many certificates a SignedData holds, nil where it cannot be told.
local function certificates_in(bytes)
    local function inside(at) local _, begin = element(bytes, at); return begin end
    local function behind(at) local _, _, _, next_one = element(bytes, at); return next_one end
    local at = inside(1)
    at = at and behind(at)      -- contentType
    at = at and inside(at)      -- [0]
    at = at and inside(at)      -- SignedData
    at = at and behind(at)      -- version
    at = at and behind(at)      -- digestAlgorithms
    at = at and behind(at)      -- encapContentInfo
    if at == nil or bytes:byte(at) ~= 160 then return nil end
    local _, begin, last = element(bytes, at)
    local count = 0
    while begin ~= nil and begin <= last do count, begin = count + 1, behind(begin) end
    return begin and count
end

local function is_signed_data(bytes)
    return bytes:byte(1) == 48 and bytes:sub(1, 32):find(SIGNED_DATA, 1, true) ~= nil
end

local function unescaped(text)
    return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Base64 as clients send it: either alphabet, in lines, "+" turned into a space, with or without padding. nil: there is none.
local function base64(text)
    text = text:gsub("^ +", ""):gsub(" +$", "")
    if not text:find("[\r\n]") then text = text:gsub(" ", "+") end
    text = text:gsub("%s", ""):gsub("-", "+"):gsub("_", "/"):match("^[%w+/]*")
    local over = #text % 4
    if over == 1 then text = text:sub(1, -2) end
    if #text < 4 then return nil end
    return ByteArray.new(text .. ("="):rep(-#text % 4), true):base64_decode()
end

local function pem_in(text)
    return text:match("%-%-%-%-%-BEGIN [%w ]+%-%-%-%-%-(.-)%-%-%-%-%-END") or text:match("%-%-%-%-%-BEGIN [%w ]+%-%-%-%-%-(.*)$")
end

-- The message of a GET's parameter as a tvb of its own (RFC 8894, Section 4.1).
local function tvb_of_parameter(value)
    local text = unescaped(value)
    if text:byte(1) == 48 and text:sub(1, 64):find("[\128-\255]") then
        return ByteArray.new(text, true):tvb("SCEP pkiMessage (percent-decoded)")
    end
    local pem = pem_in(text)
    if pem == nil then
        for _ = 1, 2 do  -- percent-encoded again
            if not text:find("%%2[BbFf]") and not text:find("%%3[Dd]") and not text:find("%%0[AaDd]") then break end
            text = unescaped(text)
        end
    end
    local bytes = base64(pem or text)
    return bytes and bytes:len() > 0 and bytes:tvb("SCEP pkiMessage (base64 decoded)") or nil
end

-- A body that is not DER, unwrapped: PEM, a form, base64. The tvb itself where there is nothing to unwrap.
local function unwrapped(tvb)
    if tvb:len() == 0 or tvb:raw(0, 1):byte() == 48 then return tvb end
    local text = tvb:raw():gsub("^%s+", "")
    local form = text:sub(1, 4096):match("^message=") and text:match("^message=([^&%s]+)") or text:match("^[%w_]+=[^&%s]*&message=([^&%s]+)")
    if form ~= nil then return tvb_of_parameter(form) or tvb end
    local pem = pem_in(text)
    if pem == nil and not (text:byte(1) == 77 and text:find("^[%w+/=_%s-]+$")) then return tvb end
    local bytes = base64(pem or text:gsub("%s+$", ""))
    return bytes and bytes:len() > 0 and bytes:tvb("SCEP message (base64 decoded)") or tvb
end

-- A pkiMessage: CMS beside `item`, SCEP's attributes and the envelope below it. Gives what the attributes said.
local function show_message(tvb, pinfo, tree, item)
    current = { attributes = {} }
    local bytes = tvb:raw()
    local good = dissect(cms, CMS, tvb, pinfo, tree)
    if not good then pcall(salvage, tvb, bytes) end
    local found = current
    current = nil
    add_attributes(item, tvb, found.attributes)
    add_envelope(item, tvb, pinfo, found.content)
    if not good then item:add_proto_expert_info(expert_of.damaged, "This is not a whole CMS SignedData: damaged, cut, or something else") end
    return found.attributes
end

-- Certificates: a SignedData without content, or one certificate. Gives how many.
local function show_certificates(tvb, pinfo, tree, item)
    local bytes = tvb:raw()
    local set = is_signed_data(bytes)
    local count = set and certificates_in(bytes) or not set and bytes:byte(1) == 48 and 1 or nil
    if count ~= nil then item:add(field.certificates, tvb(), count) end
    current = { attributes = {} }
    local good = bytes:byte(1) == 48 and dissect(set and cms or x509, set and CMS or CERTIFICATE, tvb, pinfo, tree)
    current = nil
    if not good then item:add_proto_expert_info(expert_of.damaged, "The certificates are damaged, cut, or not in DER") end
    return count
end

local function show_capabilities(range, item)
    local text, listed = range:raw(), {}
    if text:find("^%s*<") then return listed end
    local at = 1
    while at <= #text and #listed < 64 do
        local from, to = text:find("[^\r\n]+", at)
        if from == nil then break end
        local word = text:sub(from, to):match("^%s*(.-)%s*$")
        if word ~= "" then
            local meaning = CAPABILITIES[word:lower()]
            item:add(field.capability, range(from - 1, to - from + 1), word):append_text(meaning and " (" .. meaning .. ")" or " (unknown)")
            listed[#listed + 1] = printable(word)
        end
        at = to + 1
    end
    return listed
end

---------------------------------------------------------------------------------------------------------------------------------
-- Requests and responses

local function sent(values)  -- the values of a field that were on the wire: 4.4 repeats the URI of the request in its response
    local found = {}
    for _, each in ipairs(values) do
        if not each.generated then found[#found + 1] = each end
    end
    return found
end

-- What a request target asks: the operation, nil where it is not SCEP's, and the message parameter as sent.
local function query_of(target)
    local operation, message
    local question = target:find("?", 1, true)
    if question == nil then return nil end
    for pair in target:sub(question + 1):gsub("?", "&"):gmatch("[^&]+") do
        local name, equals, value = pair:match("^([^=]*)(=?)(.*)$")
        name = unescaped(name):match("^%s*(.-)%s*$"):lower()
        if name == "operation" and operation == nil then
            operation = unescaped(value):match("^%s*(.-)%s*$"):lower()
        elseif name == "message" and message == nil and equals == "=" then
            message = value
        end
    end
    return operation and OPERATIONS[operation] or nil, message
end

local function stream_key(streams)
    local connection = http.connection()
    return connection and streams[#streams] and "h2:" .. connection.value .. ":" .. streams[#streams].value or nil
end

-- What HTTP says so far about the message in this frame.
local function talk_of(pinfo)
    local codes, uris = sent({ http.code() }), sent({ http.uri() })
    local streams = { http.stream2() }
    local talk = { key = pinfo.number }
    if #codes > 0 then
        local links = { http.request_in() }
        talk.response, talk.code = true, codes[#codes].value
        talk.key = links[#links] and links[#links].value or nil
        talk.peer = talk.key
        talk.request = talk.key and asked[talk.key]
    elseif #uris > 0 then
        talk.operation, talk.parameter = query_of(uris[#uris].value)
    elseif #streams > 0 then
        talk.key = stream_key(streams)
        talk.request = talk.key and asked[talk.key]
        -- A DATA frame of the client, or the server's: the server's have a status somewhere before, in another frame perhaps.
        if talk.request ~= nil and talk.request.frame ~= pinfo.number then
            talk.response = tostring(pinfo.src) ~= talk.request.source
            talk.peer = talk.response and talk.request.frame or nil
            if not talk.response then talk.operation, talk.parameter = talk.request.operation, talk.request.parameter end
            local statuses = { http.status2() }
            talk.code = talk.response and statuses[#statuses] and tonumber(tostring(statuses[#statuses].value)) or nil
        end
    end
    if talk.request ~= nil and talk.response then talk.operation = talk.request.operation end
    return talk
end

local function head(talk, item, range, pinfo)
    if talk.operation ~= nil then
        local operation = item:add(field.operation, range, talk.operation)
        if talk.response then operation:set_generated() end
    end
    if talk.peer ~= nil then item:add(field.request_in, range, talk.peer):set_generated() end
    local answered = not talk.response and asked[pinfo.number] and asked[pinfo.number].answered
    if answered then item:add(field.response_in, range, answered):set_generated() end
end

local function value(found, name)
    return found[name] and found[name].value
end

-- Whether a response fits its request; says so where it does not.
local function compare(talk, found, item)
    local request = talk.request
    if request == nil or value(found, "message_type") ~= 3 then return end
    local nonce, returned = request.sender_nonce, value(found, "recipient_nonce")
    if nonce ~= nil and returned ~= nil and nonce ~= returned then
        item:add_proto_expert_info(expert_of.unmatched, "recipientNonce is not the senderNonce of the request in frame " .. request.frame)
    end
    local theirs, ours = request.transaction_id, value(found, "transaction_id")
    if theirs ~= nil and ours ~= nil and theirs ~= ours then
        item:add_proto_expert_info(expert_of.unmatched, "transactionID is not that of the request in frame " .. request.frame)
    end
end

-- The line for the Info column, from what the attributes said.
local function line_of(talk, found)
    local kind = value(found, "message_type")
    local words = { kind and (MESSAGE_TYPES[kind] or "messageType " .. kind) or "pkiMessage" }
    if not talk.response then table.insert(words, 1, talk.operation) end
    local status, info, number = value(found, "pki_status"), value(found, "fail_info"), value(found, "hresult")
    if status ~= nil then words[#words + 1] = PKI_STATUSES[status] or "pkiStatus " .. status end
    if info ~= nil then words[#words + 1] = FAIL_INFOS[info] or "failInfo " .. info end
    if number ~= nil then words[#words + 1] = words_of("hresult", number) end
    return table.concat(words, " ")
end

local function refusal(found, item)
    if value(found, "pki_status") ~= 2 then return end
    local info, number = value(found, "fail_info"), value(found, "hresult")
    local why = info and ": " .. (FAIL_INFOS[info] or "failInfo " .. info) .. (FAIL_INFO_MEANINGS[info] and ", " .. FAIL_INFO_MEANINGS[info] or "") or ""
    if number ~= nil then
        why = why .. "; " .. words_of("hresult", number) .. (HRESULTS[number] and ": " .. HRESULTS[number][2] or "")
    end
    item:add_proto_expert_info(expert_of.refused, "The server refuses the request" .. why)
end

local function remember(talk, pinfo)
    if talk.response then
        if talk.request ~= nil then talk.request.answered = pinfo.number end
    elseif talk.key ~= nil and asked[talk.key] == nil then
        asked[talk.key] = { frame = pinfo.number, source = tostring(pinfo.src), operation = talk.operation, parameter = talk.parameter }
    end
    return talk.key and asked[talk.key]
end

local CERTIFICATE_OPERATIONS = { GetCACert = true, GetCACertChain = true, GetNextCACert = true }

-- A message in a tvb: show what it is, judged by its bytes and not by its content type. Gives the line for the Info column.
local function show(talk, tvb, pinfo, tree)
    tvb = unwrapped(tvb)
    local item = tree:add(scep, tvb())
    head(talk, item, tvb(), pinfo)
    local asker = remember(talk, pinfo)
    local bytes = tvb:raw()
    local line
    if is_signed_data(bytes) and (not CERTIFICATE_OPERATIONS[talk.operation or ""] or bytes:find(SCEP_ARC, 1, true)) and
        (talk.operation == "PKIOperation" or bytes:find(SCEP_ARC, 1, true)) or (talk.operation == "PKIOperation" and not talk.response) then
        local found = show_message(tvb, pinfo, tree, item)
        if asker ~= nil and not talk.response then
            asker.sender_nonce, asker.transaction_id = value(found, "sender_nonce"), value(found, "transaction_id")
            local kind = value(found, "message_type")
            asker.words = kind and MESSAGE_TYPES[kind] or nil
        end
        compare(talk, found, item)
        refusal(found, item)
        line = line_of(talk, found)
    elseif bytes:byte(1) == 48 then
        local count = show_certificates(tvb, pinfo, tree, item)
        line = (talk.operation or "CA certificates") .. (talk.response and " response" or "")
        if count ~= nil then line = line .. ": " .. count .. (count == 1 and " certificate" or " certificates") end
    else
        item:add_proto_expert_info(expert_of.damaged, "The body is neither a CMS message nor a certificate in DER")
        line = (talk.operation or "SCEP") .. (talk.response and " response, not SCEP" or ", not a pkiMessage")
    end
    if talk.response and talk.code ~= nil and talk.code >= 300 then line = line .. " (HTTP " .. talk.code .. ")" end
    item:append_text(", " .. line)
    return line
end

local function tell(pinfo, line)
    if shown.frame ~= pinfo.number then shown = { frame = pinfo.number, lines = {} } end
    shown.lines[#shown.lines + 1] = line
end

-- Bodies of SCEP's media types, called by HTTP and HTTP/2.
function scep.dissector(tvb, pinfo, tree)
    if tvb:len() == 0 then return 0 end
    local good, line = pcall(function() return show(talk_of(pinfo), tvb, pinfo, tree) end)
    current = nil
    tell(pinfo, good and line or "SCEP message that cannot be shown")
    return tvb:len()
end

local function body_of(at)
    local bodies = { http.body() }
    if #bodies == 0 then bodies = { http.joined2() } end
    if #bodies == 0 then bodies = { http.data2() } end
    local each = bodies[at] or bodies[#bodies]
    return each and each.len > 0 and each.range or nil
end

local function ends_stream()
    for _, each in ipairs({ http.end2() }) do
        if each.value then return true end
    end
    return false
end

local function holds_message(range)
    if range == nil or range:len() < 40 or range:raw(0, 1):byte() ~= 48 then return false end
    return is_signed_data(range:raw(0, 40)) and range:raw():find(SCEP_ARC, 1, true) ~= nil
end

local function show_request(uri, pinfo, tree, tvb)
    local talk = { key = pinfo.number }
    talk.operation, talk.parameter = query_of(uri)
    local body = body_of(1)
    if talk.operation == nil and not (scep.prefs.any_type and holds_message(body)) then return nil end
    if talk.operation == "PKIOperation" or talk.operation == nil then
        local message = body and body:tvb() or talk.parameter and tvb_of_parameter(talk.parameter)
        if message then return show(talk, message, pinfo, tree) end
    end
    local item = tree:add(scep, tvb())
    head(talk, item, tvb(), pinfo)
    remember(talk, pinfo)
    local line = talk.operation
    if talk.operation ~= "PKIOperation" and talk.parameter ~= nil and talk.parameter ~= "" then
        item:add(field.ca_identifier, tvb(), unescaped(talk.parameter))
        line = line .. " \"" .. printable(unescaped(talk.parameter)) .. "\""
    end
    item:append_text(", " .. line)
    return line
end

local function show_response(talk, pinfo, tree, tvb, phrase)
    local body = body_of(1)
    local sniffed = scep.prefs.any_type and holds_message(body)
    if talk.operation == nil then return sniffed and show(talk, body:tvb(), pinfo, tree) or nil end
    local der = body ~= nil and (body:raw(0, 1):byte() == 48 or pem_in(body:raw()) ~= nil)
    if talk.operation ~= "GetCACaps" and (sniffed or der) then return show(talk, body:tvb(), pinfo, tree) end
    local item = tree:add(scep, tvb())
    head(talk, item, tvb(), pinfo)
    remember(talk, pinfo)
    local line = talk.operation .. " response"
    if (talk.code or 200) < 300 and talk.operation == "GetCACaps" and body ~= nil then
        line = line .. ": " .. table.concat(show_capabilities(body, item), ", ")
    elseif talk.code ~= nil then
        item:add(field.status_code, tvb(), talk.code):set_generated()
        line = line .. ": HTTP " .. talk.code .. " " .. printable(phrase or "")
    end
    item:append_text(", " .. line)
    return line
end

-- The end of a message of HTTP/2 whose content type is not SCEP's, and whose request was in another frame.
local function show_stream(pinfo, tree, tvb)
    local talk = talk_of(pinfo)
    if talk.request == nil or talk.operation == nil then return end
    local body, line = body_of(1), nil
    if talk.response then
        line = show_response(talk, pinfo, tree, tvb)
    elseif talk.operation == "PKIOperation" and body ~= nil then
        line = show(talk, body:tvb(), pinfo, tree)
    end
    if line ~= nil then tell(pinfo, line) end
end

-- What has no body of SCEP's media types: requests by GET, capabilities, errors, messages of another content type.
local function show_rest(pinfo, tree, tvb)
    local codes = sent({ http.code() })
    if #codes > 0 then
        local phrase = http.phrase()
        local line = show_response(talk_of(pinfo), pinfo, tree, tvb, phrase and phrase.value)
        if line ~= nil then tell(pinfo, line) end
        return
    end
    local uris = sent({ http.uri() })
    for _, uri in ipairs(uris) do
        local line = show_request(uri.value, pinfo, tree, tvb)
        if line ~= nil then tell(pinfo, line) end
    end
    for _, path in ipairs({ http.path2() }) do
        local talk = { key = stream_key({ http.stream2() }) }
        talk.operation, talk.parameter = query_of(path.value)
        if talk.operation ~= nil and talk.key ~= nil then
            remember(talk, pinfo)
            local line = talk.operation
            local message = talk.parameter and talk.operation == "PKIOperation" and tvb_of_parameter(talk.parameter)
            if not message and talk.operation == "PKIOperation" and ends_stream() then
                local body = body_of(1)
                message = body and body:tvb()
            end
            if message then
                line = show(talk, message, pinfo, tree)
            elseif talk.parameter == nil or talk.operation ~= "PKIOperation" then
                local item = tree:add(scep, tvb())
                head(talk, item, tvb(), pinfo)
                item:append_text(", " .. line)
            end
            tell(pinfo, line)
        end
    end
    if #shown.lines == 0 and ends_stream() then show_stream(pinfo, tree, tvb) end
end

function whole_frames.dissector(tvb, pinfo, tree)
    if shown.frame ~= pinfo.number then shown = { frame = pinfo.number, lines = {} } end
    if #shown.lines == 0 then pcall(show_rest, pinfo, tree, tvb) end
    current = nil
    if #shown.lines > 0 then
        pinfo.cols.info:clear_fence()
        pinfo.cols.protocol = "SCEP"
        pinfo.cols.info = table.concat(shown.lines, "; ")
    end
    shown = { frame = -1 }
end

---------------------------------------------------------------------------------------------------------------------------------
-- Registration

local tcp_ports, web = DissectorTable.get("tcp.port"), Dissector.get("http")
local found_ports = {}

-- Wireshark recognizes HTTP on an unusual port by a whole first line. A GET with a message in its URL is longer than a segment: where the
-- line of a SCEP request is not whole, the server's port is HTTP from here on, and TCP is asked for the next segment.
local function find_requests(tvb, pinfo)
    local length = tvb:len()
    if length < 40 or tvb:raw(0, 3) ~= "GET" then return false end
    local start = tvb:raw(0, math.min(length, 65535))
    if start:find("\n", 1, true) or not start:sub(1, 1024):lower():find("^get [^%s]-%?[^%s]-operation=[a-z]") then return false end
    tcp_ports:add(pinfo.dst_port, web)
    found_ports[pinfo.dst_port] = true
    pinfo.desegment_offset, pinfo.desegment_len = 0, DESEGMENT_ONE_MORE_SEGMENT
    return true
end

function scep.init()
    for port in pairs(found_ports) do tcp_ports:remove(port, web) end
    asked, current, shown, found_ports = {}, nil, { frame = -1 }, {}
end

for oid in pairs(ATTRIBUTE_NAMES) do by_oid:add(oid, attributes) end
for oid in pairs(OTHER_ATTRIBUTES) do
    if by_oid:get_dissector(oid) == nil then by_oid:add(oid, attributes) end
end
for _, name in ipairs(MEDIA_TYPES) do media_types:add(name, scep) end
register_postdissector(whole_frames)
scep:register_heuristic("tcp", function(tvb, pinfo)
    local good, found = pcall(find_requests, tvb, pinfo)
    return good and found
end)

local set = { ports = "", media_types = {} }
function scep.prefs_changed()
    if scep.prefs.ports ~= set.ports then
        if set.ports ~= "" then tcp_ports:remove(set.ports, web) end
        if scep.prefs.ports ~= "" then tcp_ports:add(scep.prefs.ports, web) end
        set.ports = scep.prefs.ports
    end
    for _, name in ipairs(set.media_types) do media_types:remove(name, scep) end
    set.media_types = {}
    for name in scep.prefs.media_types:gmatch("[^,%s]+") do
        media_types:add(name:lower(), scep)
        set.media_types[#set.media_types + 1] = name:lower()
    end
end
