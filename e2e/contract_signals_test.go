package e2e

// signalsTheme: a signal that the wrapper is sent.
var signalsTheme = theme{name: "Signals", rows: []behaviour{
	{
		name: "HUP, INT, QUIT, USR1, USR2, PIPE, ALRM, TERM, XCPU, XFSZ, VTALRM, WINCH, IO, PWR, STKFLT reach the command, once each",
		try: script(`$W $R f & up f
for n in 1 2 3 10 12 13 14 15 16 24 25 26 28 29 30; do kill -$n $!; done
yes await is f "1 2 3 10 12 13 14 15 16 24 25 26 28 29 30"`),
	},
	{
		name: "so do ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS",
		try: script(`$W $R f & up f
for n in 4 5 6 7 8 11 31; do kill -$n $!; done
yes await is f "4 5 6 7 8 11 31"`),
		note: "They end tini, and its command is left running.",
	},
	{
		name: "and TSTP, TTIN, TTOU, CONT, without a terminal",
		try: script(`$W $R f & up f
for n in 20 21 22 18; do kill -$n $!; await grep -qx $n f; done
yes is f "18 20 21 22"`),
		note: "tini keeps TTIN and TTOU for itself; dumb-init passes the three on as STOP, and stops itself.",
	},
	{
		name: "and each real-time signal, RTMIN to RTMAX",
		try: script(`$W $R f & up f
all=$(echo $(seq 34 64)); for n in $all; do kill -$n $!; done
yes await is f "$all"`),
	},
	{
		name: "RTMIN and RTMAX-1 sent 200 times each arrive 200 times",
		try: script(`$W $R f & up f
for n in $(seq 200); do kill -34 $!; kill -63 $!; done
await times f 34 200; await times f 63 200
yes eval "times f 34 200 && times f 63 200"`),
	},
	{
		name: "a signal reaches the whole of the command's process group",
		try: script(`$W sh -c 'trap : USR1; $R a & $R b & while :; do wait; done' & up a b
kill -USR1 $!
yes eval "await is a 10 && await is b 10"`),
		note: "`tini -g` does.",
	},
	{
		name: "on demand it reaches the command's own process alone",
		options: map[string]string{
			"vwrap": "--signal-child-only", "tini": "", "dumb-init": "--single-child",
		},
		try: script(`$W sh -c 'trap "echo got >> b" USR1; $R a & while :; do sleep 0.05; done' & up a
kill -USR1 $!; await grep -qx got b; sleep 0.5
yes eval "times b got 1 && is a ''"`),
	},
	{
		name: "what is sent to the whole process group of the wrapper reaches the command once",
		try: script(`$W $R f & up f
kill -USR1 -$!; await grep -qx 10 f; kill -34 -$!; await grep -qx 34 f; sleep 0.3
yes is f "10 34"`),
	},
	{
		name: "a signal is passed on as another",
		options: map[string]string{
			"vwrap": "--signal-rewrite 15:3", "dumb-init": "--rewrite 15:3",
		},
		try: script(`$W $R f & up f
kill -TERM $!; yes await is f 3`),
	},
	{
		name: "or dropped",
		options: map[string]string{
			"vwrap": "--signal-rewrite 1:0", "dumb-init": "--rewrite 1:0",
		},
		try: script(`$W $R f & up f
kill -HUP $!; sleep 0.3; kill -USR1 $!; await grep -qx 10 f
yes is f 10`),
	},
	{
		name: "nohup: HUP ends neither the wrapper nor the command",
		try: script(`nohup $W sh -c 'echo up > f; exec sleep 1000' > /dev/null & up f; command=$(child $!)
kill -HUP $!; sleep 0.5
yes runs $! $command`),
		note: "dumb-init gives the command all standard signals as they are by default.",
	},
	{
		name: "in the background of a script (`&`), INT ends neither",
		try: script(`sh -c '$W sh -c "echo up > f; exec sleep 1000" & echo $! > pid; wait' & up f; read pid < pid; command=$(child $pid)
kill -INT $pid; sleep 0.5
yes runs $pid $command`),
	},
	{
		name: "a command that was stopped by STOP goes on when the wrapper is sent CONT",
		try: script(`$W $R f & up f; command=$(child $!)
kill -STOP $command; await eval 'ps -o stat= -p $command | grep -q T'
kill -CONT $!; await eval 'ps -o stat= -p $command | grep -q S'; kill -USR1 $!; await grep -qx 10 f
yes is f "10 18"`),
	},
	{
		name: "a wrapper that was stopped by STOP and continued works on",
		try: script(`$W $R f & up f
kill -STOP $!; sleep 0.1; kill -USR1 $!; kill -CONT $!; await grep -qx 10 f; kill -USR2 $!; await grep -qx 12 f
yes eval "grep -qx 10 f && grep -qx 12 f"`),
	},
}}
