/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The module's statistics, group "cpm" of Kamailio's counters: one table that
 * feeds stats.fetch, cpm.stats and xhttp_prom. Each process counts in its own
 * row, so counting takes no lock.
 */
#ifndef CPM_STATS_H
#define CPM_STATS_H

typedef enum cpm_stat
{
	/* messages */
	CPM_STAT_PAGER,           /* pager messages passed on */
	CPM_STAT_LARGE,           /* large-message INVITEs that became sessions */
	CPM_STAT_SWITCHED,        /* pager messages that went on as large ones */
	CPM_STAT_REFUSED,         /* requests refused by a check */
	CPM_STAT_LOOPED,          /* requests that came back and were passed on */
	CPM_STAT_EXPLODED,        /* messages to many that were taken */
	CPM_STAT_EXPLODED_RCPTS,  /* their recipients */
	CPM_STAT_EXPLODER_FAILED, /* recipients that were not reached */
	CPM_STAT_ISF_TRIED,       /* messages sent to the ISF */
	CPM_STAT_ISF_OK,          /* of these, taken by it */
	CPM_STAT_DIRECT,          /* copies sent to senders' other clients */
	CPM_STAT_DIRECT_OK,       /* of these, taken */
	CPM_STAT_DIRECT_FAILED,   /* of these, not taken */
	CPM_STAT_NOTIFIED,        /* notifications of deferred messages sent */
	CPM_STAT_DELIVERED,       /* sessions whose message was acknowledged */
	CPM_STAT_TERM_PAGER,      /* pager messages for users whom we serve */
	CPM_STAT_DEFERRED,        /* messages stored */
	CPM_STAT_DEFER_REFUSED,   /* pager messages neither taken nor stored */
	CPM_STAT_PUSHED,          /* stored messages that a client has taken */
	CPM_STAT_PUSH_RETRIES,    /* pushes that no client took */
	CPM_STAT_PUSH_FAILED,     /* stored messages given up */
	CPM_STAT_EXPIRED,         /* stored messages whose lifetime ended */
	CPM_STAT_IMDN_SENT,       /* notifications of failure sent */
	CPM_STAT_BYTES,           /* bytes of delivered large messages */
	CPM_STAT_RETRANSMITS,     /* retransmitted INVITEs of sessions */
	CPM_STAT_REACKED,         /* 2xx to an INVITE of ours acknowledged again */
	CPM_STAT_FORKED,          /* further 2xx of a forked INVITE, ended by BYE */
	CPM_STAT_REFRESHES,       /* session timer refreshes sent */
	/* sessions that failed, by cause */
	CPM_STAT_F_CANCELLED, /* the originator cancelled */
	CPM_STAT_F_RECIPIENT, /* the recipient's side answered 3xx to 6xx */
	CPM_STAT_F_RING,      /* nobody answered within ring_timeout */
	CPM_STAT_F_ACK,       /* no ACK to a 200 of ours */
	CPM_STAT_F_TIMER,     /* a session timer expired, a refresh failed */
	CPM_STAT_F_RELAY,     /* the relay was away, refused or lost it */
	CPM_STAT_F_MEDIA,     /* an MSRP leg failed */
	CPM_STAT_F_SDP,       /* an offer or answer that cannot be used */
	CPM_STAT_F_MEMORY,    /* out of shared memory */
	CPM_STAT_F_OTHER,     /* anything else */
	/* the link to the relay */
	CPM_STAT_REG_REGISTERS,  /* third-party REGISTERs */
	CPM_STAT_REG_SUBSCRIBES, /* SUBSCRIBEs sent for registration state */
	CPM_STAT_REG_FAILED,     /* of them refused, or without an answer */
	CPM_STAT_REG_NOTIFIES,   /* NOTIFYs of it */
	CPM_STAT_REG_BAD,        /* of them unreadable or too large */
	CPM_STAT_LINK_COMMANDS,  /* commands queued */
	CPM_STAT_LINK_RESULTS,   /* answered with a result */
	CPM_STAT_LINK_ERRORS,    /* answered with an error */
	CPM_STAT_LINK_TIMEOUTS,  /* not answered in time, connection up */
	CPM_STAT_LINK_DOWN,      /* not answered in time, no connection */
	CPM_STAT_LINK_REFUSED,   /* not queued: full, no memory, relay away */
	CPM_STAT_LINK_RESENT,    /* sent again after a reconnection */
	CPM_STAT_LINK_EVENTS,    /* events received */
	CPM_STAT_LINK_STRAY,     /* answers that nobody waited for (any more) */
	CPM_STAT_LINK_GARBAGE,   /* connections ended for unreadable input */
	CPM_STAT_LINK_CONNECTS,  /* connections established */
	CPM_STAT_LINK_RESTARTS,  /* restarts of the relay noticed */
	CPM_STAT_LINK_WAIT_US,   /* microseconds from sending to the answer, sum */
	CPM_STAT_N
} cpm_stat_t;

/* In mod_register or mod_init, before the fork: 0 or -1. */
int cpm_stats_register(void);

/* Count one, or n. May be called by every process after the fork. */
void cpm_stat_inc(cpm_stat_t s);
void cpm_stat_add(cpm_stat_t s, int n);

/* The sum over all processes. */
long cpm_stat_get(cpm_stat_t s);

/* Name of a statistic as operators see it, "link_timeouts". */
const char *cpm_stat_name(cpm_stat_t s);

#endif
