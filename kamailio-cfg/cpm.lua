-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- CPM in Lua (KEMI): request_route and all that cpm.cfg has below its
-- parameters, line by line the same. Loaded by kamailio-kemi.cfg; to use it in a
-- script of your own, call cpm() where cpm.cfg says route(CPM). Clause
-- ids such as OP-01 are those of tests/conformance/clauses.tsv.

-- Each function below returns true when the request is done with.

-- The operator's rules for this originator, for this request alone: see
-- cpm_rules in cpm.cfg.
local policies = {
	"authorised",     -- may he use CPM (OP-01, OL-01)
	"anonymity",      -- may he hide his address (OP-03, OL-03)
	"list_anonymity", -- ... and from a list (OP-13, OL-07)
	"max_recipients", -- to how many at once (OP-14, OL-08)
	"interworking",   -- may his messages become SMS or MMS (OP-23, OL-23)
	"direct_delivery", -- do his other clients get copies (OP-48, OL-26)
	"max_message",    -- how large may they be
	"min_version",    -- how old his client (OP-02, OL-02)
}

local function cpm_policy()
	local rules = KSR.pv.get("$sht(cpm_rules=>$cpm(asserted))")
	if not rules then
		return
	end
	for _, name in ipairs(policies) do
		local value = (";" .. rules):match(";%s*" .. name .. "=([^;]*)")
		if value then
			KSR.pv.sets("$cpm(" .. name .. ")", value)
		end
	end
end

-- Seed B, 8.2.1.1 and 8.2.1.2, all in one call. To make the checks one by one,
-- with yours between them, see route[CPM_CHECKS] in cpm.cfg.
local function cpm_originating()
	cpm_policy()
	return KSR.cpm.originating() >= 0
end

-- What a recipient's rules are called, and what they set.
local policies_term = {
	to_authorised = "authorised",   -- may he be sent messages (TL-01)
	to_min_version = "min_version", -- by clients how old (TL-02)
	to_anonymity = "anonymity",     -- by people who hide their address (TL-03)
	to_max_message = "max_message", -- how large
	defer = "defer",                -- are they kept while he is away (TL-17)
}

-- The rules for this recipient, for this request alone.
local function cpm_policy_term()
	-- whom he does not want to hear from (TL-01)
	if KSR.pv.get("$sht(cpm_blocked=>$cpm(user)|$cpm(sender))") then
		KSR.pv.sets("$cpm(authorised)", "0")
	end
	local rules = KSR.pv.get("$sht(cpm_rules=>$cpm(user))")
	if not rules then
		return
	end
	for name, sets in pairs(policies_term) do
		local value = (";" .. rules):match(";%s*" .. name .. "=([^;]*)")
		if value then
			KSR.pv.sets("$cpm(" .. sets .. ")", value)
		end
	end
end

-- Seed A, 8.3.2.1.1: to each of the recipient's clients (TL-01 to TL-16), and
-- kept for him when none of them takes it (TL-17, TL-18).
local function cpm_terminating()
	cpm_policy_term()
	if KSR.cpm.terminating() < 0 then
		KSR.tm.t_relay() -- not a CPM message: on its way to the recipient
	end
	return true
end

-- A user has come, is still there, or has gone.
local function cpm_register()
	if not KSR.registrar then
		-- the core's third-party REGISTER (3GPP TS 24.229 section 5.7.1.1)
		KSR.cpm.third_party_register()
		return true
	end
	-- Who he is has been found out by the proxy in front of us, a trusted peer.
	if KSR.registrar.save("location", 0) < 0 then
		KSR.sl.sl_reply_error()
		return true
	end
	-- usrloc keeps no feature tags
	KSR.cpm.register_tags(KSR.pv.get("$sht(cpm_identities=>$tu)") or "")
	return true
end

function cpm()
	-- CANCEL of an INVITE of ours (OL-24).
	if KSR.is_CANCEL() then
		return KSR.cpm.cancel() >= 0
	end

	-- ACK, BYE, UPDATE, re-INVITE within a dialog of ours (OL-25, OL-30, OL-31),
	-- NOTIFY of registrations: known by our own tag.
	if KSR.siputils.has_totag() > 0 then
		return KSR.cpm.in_dialog() >= 0
	end
	-- Subscriptions of users to the list of what is kept for them (TL-18); those
	-- to other event packages are not ours.
	if KSR.is_SUBSCRIBE() then
		if KSR.tm.t_check_trans() == 0 then
			return true
		end
		return KSR.cpm.subscribe() >= 0
	end
	if not KSR.is_method_in("IMR") then -- INVITE, MESSAGE, REGISTER
		return false
	end

	-- A retransmission is answered by tm and ends here.
	if KSR.tm.t_check_trans() == 0 then
		return true
	end

	-- Messages of strangers are refused. One who authenticates users himself,
	-- instead of a core, has taken his users' messages out before (docs/own-registrar.md).
	if KSR.cpm.trusted() < 0 then
		if KSR.pv.gete("$cpm(mode)") == "" then
			return false
		end
		KSR.notice(KSR.pv.get("$rm") .. " from " .. KSR.pv.get("$si") .. " refused: not of the core\n")
		KSR.cpm.reject("127")
		return true
	end

	if KSR.is_REGISTER() then
		return cpm_register()
	end

	-- Which half of the network this is (3GPP TS 24.229 section 5.7): told by the
	-- Route that the S-CSCF's filter criterion has put on top (sip:orig@ or
	-- sip:term@ this server, or ;orig), or by P-Served-User (RFC 5502). An INVITE for
	-- a deferred message (TL-18) is "term", whoever sends it here.
	KSR.cpm.session_case()

	-- Our own Route goes; what the S-CSCF wants next stays (OP-22, OL-18). With a
	-- Request-URI that is neither SIP nor TEL, cpm.originating() does it: the rr
	-- module cannot read such a URI.
	local scheme = KSR.pv.get("$mb"):match("^%u+ (%a+):")
	if scheme == "sip" or scheme == "sips" or scheme == "tel" then
		KSR.rr.loose_route()
	end

	local case = KSR.pv.gete("$cpm(case)")
	if case == "orig" then
		return cpm_originating()
	elseif case == "term" then
		return cpm_terminating()
	end
	return false
end

function ksr_request_route()
	if KSR.maxfwd.process_maxfwd(70) < 0 then
		KSR.sl.sl_send_reply(483, "Too Many Hops")
		return 1
	end
	-- Everything but the schemes of Request-URI and To: an address that is
	-- neither SIP nor TEL is a legacy one, for the gateway (OP-12, OL-18).
	if KSR.sanity.sanity_check(1253, 2) < 0 then
		KSR.warn("malformed " .. KSR.pv.gete("$rm") .. " from " .. KSR.pv.gete("$si") .. "\n")
		return 1
	end
	if KSR.is_OPTIONS() and KSR.siputils.has_totag() < 0 then
		KSR.sl.sl_send_reply(200, "OK")
		return 1
	end

	if cpm() then
		return 1
	end

	-- Nothing of ours: of a transaction that is known, else of none.
	if KSR.is_ACK() then
		KSR.tm.t_check_trans()
	elseif KSR.is_CANCEL() and KSR.tm.t_check_trans() > 0 then
		KSR.tm.t_relay()
	elseif KSR.is_CANCEL() or KSR.siputils.has_totag() > 0 then
		KSR.sl.sl_send_reply(481, "Call/Transaction Does Not Exist")
	else
		KSR.sl.sl_send_reply(403, "Forbidden")
	end
	return 1
end
