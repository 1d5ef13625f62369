# SPDX-License-Identifier: GPL-2.0-or-later
"""CPM in Python (KEMI): request_route and all that cpm.cfg has below its
parameters, line by line the same. Loaded by kamailio-kemi.cfg; to use it in a
script of your own, call Routing.cpm() where cpm.cfg says route(CPM). Clause ids
such as OP-01 are those of tests/conformance/clauses.tsv.
"""
import re

import KSR

SIP_OR_TEL = re.compile(r"[A-Z]+ (sips?|tel):")

# What cpm_rules (see cpm.cfg) can say of an originator.
POLICIES = (
    "authorised",  # may he use CPM (OP-01, OL-01)
    "anonymity",  # may he hide his address (OP-03, OL-03)
    "list_anonymity",  # ... and from a list (OP-13, OL-07)
    "max_recipients",  # to how many at once (OP-14, OL-08)
    "interworking",  # may his messages become SMS or MMS (OP-23, OL-23)
    "direct_delivery",  # do his other clients get copies (OP-48, OL-26)
    "max_message",  # how large may they be
    "min_version",  # how old his client (OP-02, OL-02)
)

# What a recipient's rules are called, and what they set.
POLICIES_TERM = {
    "to_authorised": "authorised",  # may he be sent messages (TL-01)
    "to_min_version": "min_version",  # by clients how old (TL-02)
    "to_anonymity": "anonymity",  # by people who hide their address (TL-03)
    "to_max_message": "max_message",  # how large
    "defer": "defer",  # are they kept while he is away (TL-17)
}


class Routing:
    """Each method returns True when the request is done with."""

    def child_init(self, rank):
        return 0

    def policy(self):
        """The operator's rules for this originator, for this request alone."""
        rules = KSR.pv.get("$sht(cpm_rules=>$cpm(asserted))")
        if rules is None:
            return
        for rule in rules.split(";"):
            name, _, value = rule.strip().partition("=")
            if name in POLICIES:
                KSR.pv.sets("$cpm(%s)" % name, value)

    def originating(self):
        """Seed B, 8.2.1.1 and 8.2.1.2, all in one call. To make the checks one
        by one, with yours between them, see route[CPM_CHECKS] in cpm.cfg."""
        self.policy()
        return KSR.cpm.originating() >= 0

    def policy_term(self):
        """The rules for this recipient, for this request alone."""
        # whom he does not want to hear from (TL-01)
        if KSR.pv.get("$sht(cpm_blocked=>$cpm(user)|$cpm(sender))"):
            KSR.pv.sets("$cpm(authorised)", "0")
        rules = KSR.pv.get("$sht(cpm_rules=>$cpm(user))")
        if rules is None:
            return
        for rule in rules.split(";"):
            name, _, value = rule.strip().partition("=")
            if name in POLICIES_TERM:
                KSR.pv.sets("$cpm(%s)" % POLICIES_TERM[name], value)

    def terminating(self):
        """Seed A, 8.3.2.1.1: to each of the recipient's clients (TL-01 to
        TL-16), and kept for him when none of them takes it (TL-17, TL-18)."""
        self.policy_term()
        if KSR.cpm.terminating() < 0:
            KSR.tm.t_relay()  # not a CPM message: on its way to the recipient
        return True

    def register(self):
        """A user has come, is still there, or has gone."""
        if not hasattr(KSR, "registrar"):
            # the core's third-party REGISTER (3GPP TS 24.229 section 5.7.1.1)
            KSR.cpm.third_party_register()
            return True
        # Who he is has been found out by the proxy in front of us, a trusted
        # peer.
        if KSR.registrar.save("location", 0) < 0:
            KSR.sl.sl_reply_error()
            return True
        # usrloc keeps no feature tags
        KSR.cpm.register_tags(KSR.pv.get("$sht(cpm_identities=>$tu)") or "")
        return True

    def cpm(self):
        # CANCEL of an INVITE of ours (OL-24).
        if KSR.is_CANCEL():
            return KSR.cpm.cancel() >= 0

        # ACK, BYE, UPDATE, re-INVITE within a dialog of ours (OL-25, OL-30,
        # OL-31), NOTIFY of registrations: known by our own tag.
        if KSR.siputils.has_totag() > 0:
            return KSR.cpm.in_dialog() >= 0
        # Subscriptions of users to the list of what is kept for them (TL-18);
        # those to other event packages are not ours.
        if KSR.is_SUBSCRIBE():
            if KSR.tm.t_check_trans() == 0:
                return True
            return KSR.cpm.subscribe() >= 0
        if not KSR.is_method_in("IMR"):  # INVITE, MESSAGE, REGISTER
            return False

        # A retransmission is answered by tm and ends here.
        if KSR.tm.t_check_trans() == 0:
            return True

        # Messages of strangers are refused. One who authenticates users himself,
        # instead of a core, has taken his users' messages out before
        # (docs/own-registrar.md).
        if KSR.cpm.trusted() < 0:
            if KSR.pv.gete("$cpm(mode)") == "":
                return False
            KSR.notice("%s from %s refused: not of the core\n" % (KSR.pv.get("$rm"), KSR.pv.get("$si")))
            KSR.cpm.reject("127")
            return True

        if KSR.is_REGISTER():
            return self.register()

        # Which half of the network this is (3GPP TS 24.229 section 5.7): told by
        # the Route that the S-CSCF's filter criterion has put on top (sip:orig@
        # or sip:term@ this server, or ;orig), or by P-Served-User (RFC 5502). An
        # INVITE for a deferred message (TL-18) is "term", whoever sends it here.
        KSR.cpm.session_case()

        # Our own Route goes; what the S-CSCF wants next stays (OP-22, OL-18).
        # With a Request-URI that is neither SIP nor TEL, cpm.originating() does
        # it: the rr module cannot read such a URI.
        if SIP_OR_TEL.match(KSR.pv.get("$mb")):
            KSR.rr.loose_route()

        case = KSR.pv.gete("$cpm(case)")
        if case == "orig":
            return self.originating()
        if case == "term":
            return self.terminating()
        return False

    def ksr_request_route(self, msg):
        if KSR.maxfwd.process_maxfwd(70) < 0:
            KSR.sl.sl_send_reply(483, "Too Many Hops")
            return 1
        # Everything but the schemes of Request-URI and To: an address that is
        # neither SIP nor TEL is a legacy one, for the gateway (OP-12, OL-18).
        if KSR.sanity.sanity_check(1253, 2) < 0:
            KSR.warn("malformed %s from %s\n" % (KSR.pv.gete("$rm"), KSR.pv.gete("$si")))
            return 1
        if KSR.is_OPTIONS() and KSR.siputils.has_totag() < 0:
            KSR.sl.sl_send_reply(200, "OK")
            return 1

        if self.cpm():
            return 1

        # Nothing of ours: of a transaction that is known, else of none.
        if KSR.is_ACK():
            KSR.tm.t_check_trans()
        elif KSR.is_CANCEL() and KSR.tm.t_check_trans() > 0:
            KSR.tm.t_relay()
        elif KSR.is_CANCEL() or KSR.siputils.has_totag() > 0:
            KSR.sl.sl_send_reply(481, "Call/Transaction Does Not Exist")
        else:
            KSR.sl.sl_send_reply(403, "Forbidden")
        return 1


def mod_init():
    return Routing()
