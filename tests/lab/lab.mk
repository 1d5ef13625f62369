# SPDX-License-Identifier: GPL-2.0-or-later
LAB ?= 1

lab-up: programs ## start the test network LAB=1 on 127.20.1.x (LAB_WITHOUT="isf ..." LAB_PCAP=1)
	@tests/lab/lab $(LAB) up
lab-down: ## stop it
	@tests/lab/lab $(LAB) down
lab-status: ## which part of it runs
	@tests/lab/lab $(LAB) status
