package e2e

// endTheme: how the command ends, and what the caller sees of it.
var endTheme = theme{name: "The end", rows: []behaviour{
	{name: "the status is the command's: 0", want: "0", try: script(`$W true; echo $?`)},
	{name: "the status is the command's: 7", want: "7", try: script(`$W sh -c 'exit 7'; echo $?`)},
	{name: "the status of a command that a signal ended is 128+N: TERM", want: "143", try: script(`$W sh -c 'kill -TERM $$'; echo $?`)},
	{name: "and KILL", want: "137", try: script(`$W sh -c 'kill -KILL $$'; echo $?`)},
	{name: "and SEGV", want: "139", try: script(`$W sh -c 'kill -SEGV $$'; echo $?`)},
	{name: "and RTMIN", want: "162", try: script(`$W sh -c 'kill -34 $$'; echo $?`)},
	{name: "the status for a command that is not found", want: "127", try: script(`$W nobody-has-this; echo $?`)},
	{name: "the status for one that is not executable", want: "126", try: script(`: > plain; $W ./plain; echo $?`)},
	{
		name: "TERM ends a command that does nothing about it, with 143", want: "143",
		try: script(`$W sh -c 'echo up > f; exec sleep 1000' & up f
kill -TERM $!; wait $!; echo $?`),
	},
	{
		name: "a second TERM kills a command that ignores the first",
		try: script(`$W sh -c 'trap "echo 15 >> f" TERM; echo up >> f; while :; do sleep 0.05; done' & up f
kill -TERM $!; await grep -qx 15 f; kill -TERM $!
yes await gone $!`),
	},
	{
		name: "a command that ignores TERM is killed after a while", options: map[string]string{"vwrap": "--stop-grace 1s"},
		want: "137",
		try: script(`$W $R f & up f
kill -TERM $!; await gone $! && wait $!; echo $?`),
	},
	{
		name: "when the wrapper is killed by KILL, the command gets TERM",
		try: script(`$W $R f & up f
kill -KILL $!; yes await grep -qx 15 f`),
		note: "The kernel sends it for each of vwrap's threads, so it may come several times. `tini -p TERM` is about tini's parent: tini gets TERM when that ends.",
	},
	{
		name: "what a command that ends by itself leaves in the background lives on",
		try: script(`$W sh -c 'sleep 1000 & echo $! > pid'; read pid < pid; sleep 0.5
yes runs $pid`),
		note: "dumb-init sends TERM to the command's group when the command ends.",
	},
	{
		name: "on demand it is ended, and waited for", options: map[string]string{"vwrap": "--kill-stragglers"}, want: "3",
		try: script(`$W sh -c '$R f 0.5 & setsid $R g 0.5 & until grep -qx up f && grep -qx up g; do sleep 0.02; done; exit 3' 2>/dev/null; status=$?
times f 15 1 && times g 15 1; grep -qx finished f && grep -qx finished g && echo $status`),
	},
	{
		name: "a stop waits for what the command has left: `sh -c 'app; true'`, where the app needs half a second",
		try: script(`$W sh -c '$R f 0.5; true' & up f
kill -TERM $!; await gone $!; yes grep -qx finished f`),
	},
	{
		name: "nothing of the command is left after that",
		try: script(`$W sh -c '$R f & setsid $R g & (setsid $R h &) ; wait' & up f g h
kill -TERM $!; await gone $!
yes eval '! pgrep -f "$D/receiver"'`),
		options: map[string]string{"vwrap": "--stop-grace 1s", "tini": "", "dumb-init": ""},
	},
}}
