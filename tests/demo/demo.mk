# SPDX-License-Identifier: GPL-2.0-or-later
demo: deps ## set up everything, send a text and a photo through the lab, draw the call flow
	@echo "Building ..."
	@$(MAKE) --no-print-directory -j$$(nproc) programs
	@tests/demo/demo
