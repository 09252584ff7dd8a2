package e2e

// firstTheme: the wrapper is PID 1.
var firstTheme = theme{name: "As PID 1", rows: inNamespace([]behaviour{
	{
		name: "TERM ends a command that does nothing about it, with 143", want: "143",
		try: script(`$N $W sh -c 'echo up > f; exec sleep 1000' & up f
kill -TERM $(child $!); wait $!; echo $?`),
		note: "Without a wrapper the kernel drops it: PID 1 gets no signal that it has no handler for.",
	},
	{name: "the status is the command's", want: "7", try: script(`$N $W sh -c 'exit 7'; echo $?`)},
	{name: "and 128+N after a signal", want: "137", try: script(`$N $W sh -c 'kill -KILL $$'; echo $?`)},
	{
		name: "1000 orphans leave no zombie",
		try: script(`$N $W sh -c 'i=0; while [ $i -lt 1000 ]; do (true & true); i=$((i+1)); done; echo up > f; exec sleep 1000' & up f
first=$(child $!)
yes await eval '! ps -o stat= --ppid $first | grep -q ^Z'`),
	},
	{
		name: "the status is not lost among those", want: "7",
		try: script(`$N $W sh -c 'i=0; while [ $i -lt 300 ]; do (true & true); i=$((i+1)); done; exit 7'; echo $?`),
	},
	{
		name: "a stop waits for what the command has left: `sh -c 'app; true'`, where the app needs half a second",
		try: script(`$N $W sh -c '$R f 0.5; true' & up f
kill -TERM $(child $!); await gone $!; yes grep -qx finished f`),
		note: "The shell ends at TERM, and with PID 1 the kernel ends everything.",
	},
	{
		name: "and for an app in a session of its own",
		try: script(`$N $W sh -c 'setsid $R f 0.5; true' & up f
kill -TERM $(child $!); await gone $!; yes grep -qx finished f`),
	},
	{
		name: "but for no daemon: a session of its own, and no parent but PID 1", want: "no",
		note: "It cannot be told from what `docker exec` has left. Where vwrap is not PID 1 it is waited for.",
		try: script(`$N $W sh -c '(setsid $R f 0.5 &); exec sleep 1000' & up f; first=$(child $!)
await eval 'ps -o comm= --ppid $first | grep -q sleep'; kill -TERM $first; await gone $!; yes grep -qx finished f`),
	},
	{
		name: "each of them gets TERM once",
		try: script(`$N $W sh -c '$R f 0.5 & setsid $R g 0.5 & exec sleep 1000' & up f g
kill -TERM $(child $!); await gone $!; yes eval 'times f 15 1 && times g 15 1'`),
	},
	{
		name: "what ignores TERM is killed after a while, and the status is the command's", want: "143",
		options: map[string]string{"vwrap": "--stop-grace 1s"},
		try: script(`$N $W sh -c '$R f & exec sleep 1000' & up f
kill -TERM $(child $!); await gone $! && wait $!; echo $?`),
	},
	{
		name: "a command that ends by itself has its background processes ended in order, too",
		try: script(`$N $W sh -c '$R f 0.5 & until grep -qx up f; do sleep 0.02; done; exit 3'; status=$?
yes eval 'grep -qx finished f && times f 15 1 && test $status = 3'`),
	},
	{
		name: "what was brought in from outside (`docker exec`, `nsenter`) is not the command's: a stop sends it no TERM",
		try: script(`$N $W sh -c '$R f 0.5; true' & up f; first=$(child $!)
nsenter -t $first -p -m setsid sh -c '$R g & until grep -qx up g; do sleep 0.02; done'
kill -TERM $first; await gone $!; yes is g ''`),
		note: "The kernel ends it with the namespace.",
	},
})}

// besidesTheme: it is not.
var besidesTheme = theme{name: "Not as PID 1", rows: []behaviour{
	{
		name: "orphans come to the wrapper", options: map[string]string{"vwrap": "", "tini": "-s", "dumb-init": ""},
		try: script(`$W sh -c '(sleep 1000 & echo $! > pid); echo up > f; exec sleep 1000' & up f; read pid < pid
yes test $(ps -o ppid= -p $pid) = $!`),
		note: "dumb-init relies on the system's own PID 1.",
	},
	{
		name: "1000 of them leave no zombie", options: map[string]string{"vwrap": "", "tini": "-s", "dumb-init": ""},
		try: script(`$W sh -c 'i=0; while [ $i -lt 1000 ]; do (true & true); i=$((i+1)); done; echo up > f; exec sleep 1000' & up f
yes await eval '! ps -o stat= --ppid $! | grep -q ^Z'`),
	},
	{
		name: "the status is not lost among those", want: "7", options: map[string]string{"vwrap": "", "tini": "-s", "dumb-init": ""},
		try: script(`$W sh -c 'i=0; while [ $i -lt 300 ]; do (true & true); i=$((i+1)); done; exit 7'; echo $?`),
	},
	{
		name: "children that the wrapper inherited by `exec` are left alone, and do not keep it",
		try: script(`sh -c '$R f & until grep -qx up f; do sleep 0.02; done; exec $W sh -c "exit 5"' & await gone $!; wait $!; status=$?
yes eval 'test $status = 5 && is f ""'`),
	},
}}

func inNamespace(rows []behaviour) []behaviour {
	for i := range rows {
		rows[i].root = true
	}
	return rows
}
