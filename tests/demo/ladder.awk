# SPDX-License-Identifier: GPL-2.0-or-later
#
# Draws the rows that `ladder` takes from a capture: one line for a SIP message,
# one for each run of MSRP frames of one kind in one direction. POSIX awk.

# At most 100 columns wide: the columns move together when more take part.

BEGIN {
	FS = "\t"
	n_names = split("alice core PF relay bob carol dave erin ISF", name, " ")
	split("101 10 20 20r 102 103 104 105 30", number, " ")
	for(k = 1; k <= n_names; k++)
		order[net "." number[k]] = k
}

# Those who take part get a column each.
function place(    k) {
	for(k = 1; k <= n_names; k++)
		if(k in here)
			n++
	# room for "MESSAGE" in an arrow at least, and a note on the right
	width = n > 1 ? int(55 / (n - 1)) : 17
	width = width > 17 ? 17 : width < 11 ? 11 : width
	n = 0
	for(k = 1; k <= n_names; k++)
		if(k in here) {
			col[k] = 9 + n++ * width
			put(col[k] - int(length(name[k]) / 2), name[k])
			last_col = col[k]
		}
	flush_line()
	placed = 1
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
function arrow(time, from, to, label, note,    lo, hi, k, at, room) {
	if(!first_time)
		first_time = time
	for(k in col) {
		cell[col[k]] = "│"
		if(col[k] > last)
			last = col[k]
	}
	put(1, sprintf("%6.3f", time - first_time))
	lo = from < to ? from : to
	hi = from < to ? to : from
	for(k = col[lo] + 1; k < col[hi]; k++)
		cell[k] = "─"
	cell[col[from]] = from < to ? "├" : "┤"
	if(from < to)
		cell[col[hi] - 1] = ">"
	else
		cell[col[lo] + 1] = "<"
	room = col[hi] - col[lo] - 4
	if(length(label) > room)
		sub(/ \(.*/, "", label); # the code says enough
	label = " " substr(label, 1, room) " "
	at = col[lo] + int((col[hi] - col[lo] - 2 - length(label)) / 2) + (from < to ? 1 : 2)
	put(at, label)
	if(note != "")
		put(last_col + 3, substr(note, 1, 98 - last_col))
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

function index_of(address, sip) {
	return order[address (!sip && address == net ".20" ? "r" : "")]
}

# Requests and responses of one packet, by fields with | between them.
function sip(time, from, to,    i, m, r, method, uri, pref, asserted, code, of, note, service) {
	m = split($4, method, "|")
	split($7, uri, "|")
	split($8, pref, "|")
	split($9, asserted, "|")
	for(i = 1; i <= m; i++) {
		if(method[i] == "OPTIONS" || method[i] == "REGISTER")
			continue
		note = (method[i] == "MESSAGE" || method[i] == "INVITE") ? uri[i] : ""
		sub(/:[0-9]+$/, "", note); # a port says nothing to the reader
		sub(/^sip:/, "", note)
		sub(/@cpm.test$/, "", note)
		service = i in asserted && asserted[i] != "" ? "asserted " asserted[i] \
				: i in pref && pref[i] != "" ? "preferred " pref[i] : ""
		# where it is set: by the sender, and by the PF
		if(service != "" && note != "" && (name[from] == "alice" || name[from] == "PF")) {
			sub(/urn:urn-7:3gpp-service.ims.icsi.oma.cpm./, "", service)
			note = note "  " service
		}
		arrow(time, from, to, method[i], note)
	}
	r = split($5, code, "|")
	split($6, of, "|")
	for(i = 1; i <= r; i++)
		if(of[m + i] != "OPTIONS" && of[m + i] != "REGISTER")
			arrow(time, from, to, code[i] " (" of[m + i] ")", "")
}

{
	if(to_time == "") {
		from_time = from + 0
		to_time = to + 0
	}
	time = $1 + 0
	if(to_time && (time < from_time || time > to_time))
		next
	is_sip = $4 != "" || $5 != ""
	src = index_of($2, is_sip)
	dst = index_of($3, is_sip)
	if(!src || !dst || src == dst)
		next
	if(is_sip && $6 ~ /^(OPTIONS|REGISTER)$/)
		next
	# the first time through the file
	if(FNR == NR) {
		here[src] = here[dst] = 1
		next
	}
	if(!placed)
		place()
}

is_sip {
	flush_runs()
	sip(time, src, dst)
	next
}

# MSRP between a client and the relay: frames are counted by their start-lines,
# also those that begin in the middle of a segment or are cut by its end.
$10 > 0 {
	hex = $11
	gsub(/[:|]/, "", hex)
	hex = tail[src, dst] hex
	tail[src, dst] = length(hex) > 12 ? substr(hex, length(hex) - 11) : hex
	sends = count(hex, "2053454e440d0a")
	oks = count(hex, "20323030204f4b0d0a")
	# answers alone are no content
	add(time, src, dst, "SEND", sends, !sends && oks ? 0 : $10)
	add(time, src, dst, "REPORT", count(hex, "205245504f52540d0a"), 0)
	add(time, src, dst, "200", oks, 0)
	for(code = 400; code <= 506; code++) {
		hexcode = sprintf("20%02x%02x%02x20", 48 + int(code / 100), 48 + int(code / 10) % 10, 48 + code % 10)
		if(index(hex, "4d53525020") == 1 && index(substr(hex, 1, 90), hexcode))
			add(time, src, dst, code "", 1, 0)
	}
}

END {
	flush_runs()
}
