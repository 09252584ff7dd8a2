package e2e

// spawnTheme: what the command begins with.
var spawnTheme = theme{name: "What the command begins with", rows: []behaviour{
	{
		name: "its arguments: with spaces, newlines, quotes, bytes that are no UTF-8, empty",
		try: script(`line='
'
args=(a 'b c' '' "d${line}e" "'\"\$x" $'\xff\xfe' -- --help '*')
$W printf '%s|' "${args[@]}" > got; printf '%s|' "${args[@]}" > want
yes cmp got want`),
	},
	{
		name: "its environment",
		try:  script(`export ODD="a b=c" EMPTY=; env > want; $W env > got; yes cmp <(grep -v ^_= got | sort) <(grep -v ^_= want | sort)`),
	},
	{name: "a script without `#!` is run by the shell", want: "ran", try: script(`echo 'echo ran' > plain; chmod +x plain; $W ./plain`)},
	{
		name: "the folder it is in, the umask, the nice value",
		try:  script(`mkdir in; cd in; umask 027; yes test "$(nice -n 3 $W sh -c 'pwd; umask; nice')" = "$PWD"$'\n0027\n3'`),
	},
	{
		name: "limits: the soft and the hard one for open files, for processes, for the stack",
		try: script(`ulimit -Sn 300; ulimit -Ss 4096
limits='for l in n u s; do ulimit -S -$l; ulimit -H -$l; done'
yes test "$($W bash -c "$limits")" = "$(bash -c "$limits")"`),
		note: "Go's runtime raises the soft limit for open files; vwrap gives the command the one it was given.",
	},
	{
		name: "a core dump limit of the user's own", options: map[string]string{"vwrap": "--allow-core-dumps", "tini": "", "dumb-init": ""},
		want: "2", try: script(`ulimit -Sc 2; $W bash -c 'ulimit -Sc'`),
		note: "Else vwrap lowers the soft limit to 1, which dumps nothing: a core has the environment in it.",
	},
	{
		name: "no descriptors but 0, 1 and 2, whatever the wrapper was given",
		try:  script(`exec 3< /dev/null 7> /dev/null; yes test "$($W sh -c 'ls /proc/$$/fd; true')" = $'0\n1\n2'`),
		note: "So a secret that somebody left open is not the command's; on demand they are, as the next row shows.",
	},
	{
		name: "on demand, descriptors from 3 on", options: map[string]string{"vwrap": "--preserve-fds 2", "tini": "", "dumb-init": ""},
		want: "three four", try: script(`exec 3<<<three 4<<<four; $W sh -c 'read a <&3; read b <&4; echo $a $b'`),
	},
	{
		name: "no signal is blocked, ignored or left with a handler",
		try: script(`signals='^Sig(Blk|Ign|Cgt)|^ShdPnd|^SigPnd'
$W grep -E "$signals" /proc/self/status > got; grep -E "$signals" /proc/self/status > want; yes cmp got want`),
	},
	{
		name: "HUP and INT that were ignored still are",
		try:  script(kept("ignored", "1,2")),
	},
	{
		name: "and TSTP, TTIN, TTOU, CONT",
		try:  script(kept("ignored", "18,20,21,22")),
	},
	{
		name: "stdout is a pipe that closes: PIPE ends the command", want: "141",
		try: script(`$W yes | head -1 > /dev/null; echo ${PIPESTATUS[0]}`),
	},
	{
		name: "stdin reaches the command as it is: a file's position is shared", want: "two",
		try: script(`printf 'one\ntwo\n' > f; { $W sh -c 'read x'; read y; echo $y; } < f`),
	},
}}

// kept says whether signals that were ignored, or blocked, are so in the command.
func kept(how, numbers string) string {
	field := map[string]string{"ignored": "SigIgn", "blocked": "SigBlk"}[how]
	return `given='perl '$D'/given ` + how + ` ` + numbers + `'; look='grep ` + field + ` /proc/self/status'
$given $W $look > got; $given $look > want; yes cmp got want`
}

// runtimeTheme is what no care of vwrap's changes.
var runtimeTheme = theme{
	name: "What a Go program cannot keep",
	text: `
A Go program's runtime sets up its signals before the first line of the program runs, and does not tell how they were set before.
It leaves alone HUP and INT where they are ignored, which nohup and ` + "`&`" + ` in a script depend on, and those that it needs no handler for
at first: CONT, TSTP, TTIN, TTOU, RTMIN. With all others it cannot be known any more whether they were ignored, and with those that the
runtime unblocks, whether they were blocked: the command begins with the default. A command that wants something else has to set it, as
it has to under most service managers.
`,
	rows: []behaviour{
		{name: "ignored QUIT, TERM", want: "no", try: script(kept("ignored", "3,15"))},
		{name: "ignored PIPE", want: "no", try: script(kept("ignored", "13")), note: "Python ignores PIPE, but does not hand that on: `subprocess` restores it."},
		{name: "ignored USR1, USR2, ALRM, WINCH, IO, PWR, XCPU, XFSZ, VTALRM", want: "no", try: script(kept("ignored", "10,12,14,24,25,26,28,29,30"))},
		{name: "ignored SEGV, BUS, FPE, ILL, ABRT", want: "no", try: script(kept("ignored", "4,6,7,8,11"))},
		{name: "ignored RTMIN", try: script(kept("ignored", "34"))},
		{name: "ignored RTMIN+1 to RTMAX", want: "no", try: script(kept("ignored", "35,36,50,63,64"))},
		{name: "blocked HUP, INT, QUIT, TERM, ABRT, STKFLT", want: "no", try: script(kept("blocked", "1,2,3,6,15,16"))},
		{name: "blocked ILL, TRAP, BUS, FPE, SEGV, SYS, CHLD, URG, PROF", want: "no", try: script(kept("blocked", "4,5,7,8,11,17,23,27,31"))},
		{name: "blocked USR1, USR2, PIPE, ALRM, CONT, TSTP, TTIN, TTOU, WINCH, IO, PWR", try: script(kept("blocked", "10,12,13,14,18,20,21,22,28,29,30"))},
		{name: "blocked RTMIN", want: "no", try: script(kept("blocked", "34"))},
		{name: "blocked RTMIN+1 to RTMAX", try: script(kept("blocked", "35,36,50,63,64"))},
		{
			name: "URG and PROF are passed on", want: "no",
			try: script(`$W $R f & up f
kill -23 $!; kill -27 $!; sleep 0.3; kill -USR1 $!; await grep -qx 10 f; yes is f "10 23 27"`),
			note: "Go's runtime uses them itself.",
		},
		{
			name: "a closed stdin and stdout are closed in the command", want: "no",
			try:  script(`$W sh -c 'test ! -e /proc/$$/fd/0 && test ! -e /proc/$$/fd/1' <&- >&-; yes test $? = 0`),
			note: "Go opens /dev/null for each of 0, 1 and 2 that is closed, which is safer. tini does not start the command then.",
		},
	},
}
