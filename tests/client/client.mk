# SPDX-License-Identifier: GPL-2.0-or-later
#
# cpm-client: the command-line CPM client. Its MSRP endpoint is tests/msrp.

CLIENT_PKGS = sofia-sip-ua jansson openssl
CLIENT_CFLAGS = $(CFLAGS_ALL) -Imodules/cpm/proto -Itests/msrp -Itests/client \
	$(shell pkg-config --cflags $(CLIENT_PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
CLIENT_LIBS = $(shell pkg-config --libs $(CLIENT_PKGS) 2>/dev/null)
CLIENT_SRC = $(wildcard tests/client/*.c) $(wildcard tests/msrp/*.c)
CLIENT_OBJ = $(CLIENT_SRC:%.c=$(B)/client/%.o)

.PHONY: cpm-client
cpm-client: $(B)/cpm-client
$(B)/cpm-client: $(CLIENT_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) -o $@ $^ $(CLIENT_LIBS)

$(B)/client/%.o: %.c
	@mkdir -p $(@D)
	$(QCC)$(CC) $(CLIENT_CFLAGS) -MMD -MP -c $< -o $@
-include $(CLIENT_OBJ:.o=.d)
