# SPDX-License-Identifier: GPL-2.0-or-later
#
# msrp-relay and msrp-relayctl. Every .c of the folders below belongs to the
# daemon; tests link all of them but main.c (RELAY_LIB_SRC).

RELAY_DIRS = msrp net session store stats ctl conf http log daemon
RELAY_LIB_SRC = $(foreach d,$(RELAY_DIRS),$(wildcard msrp-relay/$(d)/*.c))
RELAY_SRC = msrp-relay/main.c $(RELAY_LIB_SRC) $(PROTO_PLAIN_SRC)
RELAYCTL_SRC = $(wildcard msrp-relay/relayctl/*.c) msrp-relay/log/log.c $(PROTO_PLAIN_SRC)

RELAY_PKGS = libuv jansson inih libssl libcrypto libsystemd sqlite3 libpq
RELAY_PKG_CFLAGS := $(shell pkg-config --cflags $(RELAY_PKGS) 2>/dev/null)
RELAY_LIBS := $(shell pkg-config --libs $(RELAY_PKGS) 2>/dev/null) -lpthread
RELAYCTL_LIBS := $(shell pkg-config --libs jansson 2>/dev/null)

# Hardening that Debian's own packages have; the sanitizers bring their own.
ifneq ($(VARIANT),asan)
RELAY_HARDEN = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
RELAY_LDHARDEN = -pie -Wl,-z,relro,-z,now
endif

RELAY_INC = -Imsrp-relay -I$(PROTO)
RELAY_OBJ = $(RELAY_SRC:%.c=$(B)/obj/relay/%.o)
RELAYCTL_OBJ = $(RELAYCTL_SRC:%.c=$(B)/obj/relay/%.o)

$(B)/obj/relay/%.o: %.c
	@mkdir -p $(@D)
	$(QCC)$(CC) $(CFLAGS_ALL) $(RELAY_HARDEN) $(RELAY_INC) $(RELAY_PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/msrp-relay: $(RELAY_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) $(RELAY_LDHARDEN) $(LDFLAGS) -o $@ $^ $(RELAY_LIBS)

$(B)/msrp-relayctl: $(RELAYCTL_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) $(RELAY_LDHARDEN) $(LDFLAGS) -o $@ $^ $(RELAYCTL_LIBS)

all: $(B)/msrp-relay $(B)/msrp-relayctl

# The usual variant's programs are copied to where the sources are.
ifeq ($(VARIANT),gcc)
all: msrp-relay/msrp-relay msrp-relay/msrp-relayctl
msrp-relay/msrp-relay msrp-relay/msrp-relayctl: msrp-relay/%: $(B)/%
	cp -f $< $@
endif

SBINDIR = $(PREFIX)/sbin
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
# Where the programs look by default, whatever PREFIX says (conf.h).
SYSCONFDIR = /etc
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,$(PREFIX)/lib/systemd/system)

# An operator's own msrp-relay.conf is never overwritten. It holds no secrets,
# and the service's own user has to read it.
.PHONY: install-relay
install: install-relay
install-relay: $(B)/msrp-relay $(B)/msrp-relayctl
	install -D -m 755 $(B)/msrp-relay $(DESTDIR)$(SBINDIR)/msrp-relay
	install -D -m 755 $(B)/msrp-relayctl $(DESTDIR)$(BINDIR)/msrp-relayctl
	install -D -m 644 msrp-relay/doc/msrp-relay.8 $(DESTDIR)$(MANDIR)/man8/msrp-relay.8
	install -D -m 644 msrp-relay/doc/msrp-relay.conf.5 $(DESTDIR)$(MANDIR)/man5/msrp-relay.conf.5
	install -D -m 644 msrp-relay/doc/msrp-relayctl.1 $(DESTDIR)$(MANDIR)/man1/msrp-relayctl.1
	install -D -m 644 msrp-relay/etc/msrp-relay.service $(DESTDIR)$(UNITDIR)/msrp-relay.service
	sed -i 's|/usr/sbin|$(SBINDIR)|' $(DESTDIR)$(UNITDIR)/msrp-relay.service
	install -D -m 644 msrp-relay/etc/msrp-relay.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/msrp-relay.conf
	install -D -m 644 msrp-relay/etc/msrp-relay.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/msrp-relay.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/msrp-relay.conf || \
		install -D -m 644 msrp-relay/etc/msrp-relay.conf $(DESTDIR)$(SYSCONFDIR)/msrp-relay.conf

-include $(RELAY_OBJ:.o=.d) $(RELAYCTL_OBJ:.o=.d)
