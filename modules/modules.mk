# SPDX-License-Identifier: GPL-2.0-or-later
#
# cpm.so against exactly the Kamailio that is installed. Its headers are
# fetched once into build/ (modules/kamailio-headers.sh); KAMAILIO_SRC=/path
# uses a configured source tree instead.

KAM_VERSION := $(shell dpkg-query -W -f '$${source:Version}' kamailio 2>/dev/null)
ifdef KAMAILIO_SRC
export KAMAILIO_SRC
KAM = build/kamailio-$(subst /,_,$(patsubst /%,%,$(KAMAILIO_SRC)))
else
KAM = build/kamailio-$(or $(KAM_VERSION),none)
endif
MULTIARCH := $(shell gcc -print-multiarch 2>/dev/null)
KAM_MODULES ?= $(PREFIX)/lib/$(MULTIARCH)/kamailio/modules

CPM_SRC = $(wildcard modules/cpm/*.c) $(PROTO_SRC)
CPM_OBJ = $(CPM_SRC:%.c=$(B)/cpm/%.o)
CPM_PKGS = jansson libxml-2.0
# Our own "../../core/..." is found in Kamailio's tree, by way of any module's
# directory; its headers are not held to our warnings. Kamailio's processes
# cannot run a sanitizer, so that variant leaves the module without.
CPM_CFLAGS = $(filter-out $(SAN),$(CFLAGS_ALL)) -fPIC -DPIC -pthread \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 \
	-DMOD_NAME='"cpm"' -DMOD_NAMEID=cpm @$(KAM)/defs -isystem $(KAM)/src/modules/cfgutils \
	$(shell pkg-config --cflags $(CPM_PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
CPM_LDFLAGS = -shared -Wl,-z,relro,-z,now -Wl,--as-needed
CPM_LIBS = $(shell pkg-config --libs $(CPM_PKGS))

.PHONY: module check-module install-module docs docs-check

all: module
module: $(B)/cpm.so ## cpm.so alone
ifeq ($(VARIANT),gcc)
module: modules/cpm/cpm.so
modules/cpm/cpm.so: $(B)/cpm.so
	@cp $< $@.new && mv $@.new $@
endif

$(KAM)/defs:
	@modules/kamailio-headers.sh $(KAM)

$(B)/cpm/%.o: %.c $(KAM)/defs Makefile modules/modules.mk
	@mkdir -p $(@D)
	$(QCC)$(CC) $(CPM_CFLAGS) -MMD -MP -c $< -o $@

# Never written in place: a Kamailio may have it mapped.
$(B)/cpm.so: $(CPM_OBJ)
	$(QLD)$(CC) $(OPT) $(CPM_LDFLAGS) -o $@.new $^ $(CPM_LIBS) && mv $@.new $@

-include $(CPM_OBJ:.o=.d)

# The README is made from the DocBook as Kamailio makes its modules' own; it is
# committed, so that nobody needs xsltproc to read it.
CPM_DOC = $(wildcard modules/cpm/doc/*.xml)
KAM_DOC = $(KAM)/src/modules/cpm/doc
$(B)/cpm-README: $(CPM_DOC) modules/cpm/doc/Makefile $(KAM)/defs
	@mkdir -p $(@D) $(KAM_DOC)
	@cp $(CPM_DOC) modules/cpm/doc/Makefile $(KAM_DOC)/
	@rm -f $(KAM_DOC)/cpm.txt
	@LC_ALL=C.UTF-8 $(MAKE) -s -C $(KAM_DOC) cpm.txt > /dev/null
	@cp $(KAM_DOC)/cpm.txt $@

docs: $(B)/cpm-README ## modules/cpm/README from the DocBook
	cp $(B)/cpm-README modules/cpm/README
docs-check: $(B)/cpm-README ## fail when the README is not current or something is not documented
	@diff modules/cpm/README $(B)/cpm-README > /dev/null || { echo "modules/cpm/README is not current: make docs" >&2; exit 1; }
	@modules/check-docs.sh
	@msrp-relay/check-docs.sh
	@docs/check-links.sh

check-module: $(B)/cpm.so ## is cpm.so fit for the installed Kamailio, and free of what must not be inside
	@modules/check-module.sh $(B)/cpm.so $(KAM)

install: install-module
install-module: $(B)/cpm.so
	install -D -m 644 $(B)/cpm.so $(DESTDIR)$(KAM_MODULES)/cpm.so
