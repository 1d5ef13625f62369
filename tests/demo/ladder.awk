# SPDX-License-Identifier: GPL-2.0-or-later
#
# Draws the rows that `ladder` takes from a capture: one line for a SIP message,
# one for each run of MSRP frames of one kind in one direction. POSIX awk.

BEGIN {
	FS = "\t"
	n = split("alice core PF relay bob", name, " ")
	width = 18
	for(i = 1; i <= n; i++)
		col[i] = 9 + (i - 1) * width
	host[net ".101"] = 1
	host[net ".10"] = 2
	host[net ".20"] = 3
	host[net ".102"] = 5
	line = ""
	for(i = 1; i <= n; i++)
		put(col[i] - int(length(name[i]) / 2), name[i])
	flush_line()
}

# The line under construction, a cell for each character: UTF-8 stays whole.
function put(at, text,    k) {
	for(k = 1; k <= length(text); k++)
		cell[at + k - 1] = substr(text, k, 1)
	if(at + length(text) - 1 > last)
		last = at + length(text) - 1
}
function flush_line(    k, out) {
	out = ""
	for(k = 1; k <= last; k++)
		out = out ((k in cell) ? cell[k] : " ")
	print out
	split("", cell)
	last = 0
}
function arrow(time, from, to, label, note,    lo, hi, k, at) {
	for(k = 1; k <= n; k++) {
		cell[col[k]] = "│"
		if(col[k] > last)
			last = col[k]
	}
	put(1, sprintf("%6.3f", time))
	lo = from < to ? from : to
	hi = from < to ? to : from
	for(k = col[lo] + 1; k < col[hi]; k++)
		cell[k] = "─"
	cell[col[from]] = from < to ? "├" : "┤"
	if(from < to)
		cell[col[hi] - 1] = ">"
	else
		cell[col[lo] + 1] = "<"
	label = " " label " "
	at = col[lo] + int((col[hi] - col[lo] - length(label)) / 2) + 1
	put(at, label)
	if(note != "")
		put(col[n] + 3, note)
	flush_line()
}
function thousands(v,    s) {
	s = sprintf("%d", v)
	while(match(s, /^[0-9]+[0-9][0-9][0-9]($|,)/))
		sub(/[0-9][0-9][0-9]($|,)/, ",&", s)
	return s
}
# How often a pattern stands in the hexadecimal text.
function count(hex, pattern) {
	return gsub(pattern, "", hex)
}

# The open runs of MSRP frames are drawn in the order in which they began.
function flush_runs(    k, key) {
	for(k = 1; k <= runs; k++) {
		key = run[k]
		arrow(run_time[key], run_from[key], run_to[key],
				run_kind[key] (run_count[key] > 1 ? " x " run_count[key] : ""),
				run_kind[key] == "SEND" ? thousands(run_bytes[key]) " bytes of TCP" : "")
		delete run_count[key]
		delete run_bytes[key]
	}
	runs = 0
}
function add(time, from, to, kind, times, bytes,    key) {
	key = from "-" to "-" kind
	if(!(key in run_count)) {
		if(times == 0)
			return
		run[++runs] = key
		run_time[key] = time
		run_from[key] = from
		run_to[key] = to
		run_kind[key] = kind
		run_count[key] = run_bytes[key] = 0
	}
	run_count[key] += times
	run_bytes[key] += bytes
}

{
	time = $1
	from = host[$2]
	to = host[$3]
	if(!from || !to)
		next
}

# SIP
$4 != "" || $5 != "" {
	if($6 == "OPTIONS" || $4 == "OPTIONS")
		next
	flush_runs()
	if($4 != "") {
		note = ($4 == "MESSAGE" || $4 == "INVITE" || $4 == "REGISTER") ? $7 : ""
		sub(/:[0-9]+$/, "", note); # a port says nothing to the reader
		service = $9 != "" ? "asserted " $9 : $8 != "" ? "preferred " $8 : ""
		if(service != "" && note != "") {
			sub(/urn:urn-7:3gpp-service.ims.icsi.oma.cpm./, "", service)
			note = note "  " service
		}
		arrow(time, from, to, $4, note)
	} else {
		arrow(time, from, to, $5 " (" $6 ")", "")
	}
	next
}

# MSRP between a client and the relay: frames are counted by their start-lines,
# also those that begin in the middle of a segment or are cut by its end.
$10 > 0 {
	if(from == 3)
		from = 4
	if(to == 3)
		to = 4
	if(from != 4 && to != 4)
		next
	hex = $11
	gsub(/:/, "", hex)
	hex = tail[from, to] hex
	tail[from, to] = length(hex) > 12 ? substr(hex, length(hex) - 11) : hex
	add(time, from, to, "SEND", count(hex, "2053454e440d0a"), $10)
	add(time, from, to, "REPORT", count(hex, "205245504f52540d0a"), 0)
	add(time, from, to, "200", count(hex, "20323030204f4b0d0a"), 0)
	for(code = 400; code <= 506; code++) {
		hexcode = sprintf("20%02x%02x%02x20", 48 + int(code / 100), 48 + int(code / 10) % 10, 48 + code % 10)
		if(index(hex, "4d53525020") == 1 && index(substr(hex, 1, 90), hexcode))
			add(time, from, to, code "", 1, 0)
	}
}

END {
	flush_runs()
}
