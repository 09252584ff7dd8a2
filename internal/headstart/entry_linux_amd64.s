#include "textflag.h"
#include "go_asm.h"

// Here the process begins, before Go does: the linker is told so (-E vwrap_entry). What there is so far is a stack as
// execve(2) lays it out: argc, argv, 0, the environment, 0, and the auxiliary vector up to AT_NULL (System V ABI, AMD64
// supplement, Initial Stack and Register State). Only the kernel is called, which changes AX, CX and R11.
//
// R12 is argc, R13 and R14 are what is looked at.
TEXT vwrap_entry(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(SP), R12

	// Is there a "--"?
	LEAQ	8(SP), R13
argument:
	MOVQ	(R13), SI
	ADDQ	$8, R13
	TESTQ	SI, SI
	JEQ	begin
	CMPB	0(SI), $'-'
	JNE	argument
	CMPB	1(SI), $'-'
	JNE	argument
	CMPB	2(SI), $0
	JNE	argument

	// Is there a "vault:" in the arguments or the environment? Behind the last of these is the program's name still: to read
	// beyond an end does no harm.
	LEAQ	8(SP), R13
	MOVL	$2, R14 // ends to come: of argv, and of the environment
string:
	MOVQ	(R13), SI
	ADDQ	$8, R13
	TESTQ	SI, SI
	JNE	text
	DECL	R14
	JNE	string
	JMP	file
text:
	CMPL	0(SI), $0x6c756176 // "vaul"
	JNE	character
	CMPW	4(SI), $0x3a74 // "t:"
	JEQ	alone
character:
	CMPB	0(SI), $0
	JEQ	string
	INCQ	SI
	JMP	text

	// Or a vwrap.yaml here? faccessat(AT_FDCWD, name, F_OK)
file:
	MOVQ	$-100, DI
	LEAQ	·configName(SB), SI
	XORL	DX, DX
	MOVL	$269, AX
	SYSCALL
	TESTQ	AX, AX
	JNE	begin

	// Has it no children? waitid(P_ALL, 0, 0, WEXITED|WNOHANG|WNOWAIT, 0): those of the program that executed this one
	// would have to be told apart.
alone:
	XORL	DI, DI
	XORL	SI, SI
	XORL	DX, DX
	MOVL	$0x1000005, R10
	XORL	R8, R8
	MOVL	$247, AX
	SYSCALL
	CMPQ	AX, $-10 // ECHILD
	JNE	begin

	// memfd_create(name, MFD_CLOEXEC|MFD_ALLOW_SEALING|MFD_NOEXEC_SEAL); the last is Linux 6.3's.
	LEAQ	·memoryName(SB), DI
	MOVL	$11, SI
	MOVL	$319, AX
	SYSCALL
	CMPQ	AX, $-22 // EINVAL
	JNE	memory
	MOVL	$3, SI
	MOVL	$319, AX
	SYSCALL
memory:
	TESTQ	AX, AX
	JLT	begin
	MOVL	AX, ·begun+early_memory(SB)

	// pipe2(pipe, O_CLOEXEC), three times.
	LEAQ	·begun+early_pipes(SB), R13
	MOVL	$3, R14
pipe:
	MOVQ	R13, DI
	MOVL	$0x80000, SI
	MOVL	$293, AX
	SYSCALL
	TESTQ	AX, AX
	JNE	begin
	ADDQ	$8, R13
	DECL	R14
	JNE	pipe

	// clone(SIGCHLD, 0, 0, 0, 0), which is fork(2).
	MOVL	$17, DI
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$56, AX
	SYSCALL
	TESTQ	AX, AX
	JLT	begin
	JEQ	courier
	MOVL	AX, ·begun+early_pid(SB)
	// setpgid(child, child). So does the child: whoever comes first.
	MOVL	AX, DI
	MOVL	AX, SI
	MOVL	$109, AX
	SYSCALL

	// fork(2) may leave the child on its parent's processor though another is idle: then one of the two waits for half a
	// millisecond (Linux, task_hot). So the child is told for a moment to run anywhere but here. What is told is remembered,
	// and what had been told before is not to be learnt (sched_setaffinity(2)): so it is told to run anywhere then, and only
	// where that is more than it was allowed before, to run there.
	//
	// Who filters system calls may end whoever asks for that (systemd.exec(5), @resources): under a filter it is not asked.
	MOVL	$21, DI
	MOVL	$157, AX // prctl(PR_GET_SECCOMP)
	SYSCALL
	TESTQ	AX, AX
	JNE	slack
	SUBQ	$256, SP // two sets of 1,024 processors: 0(SP) is what it was allowed
	MOVL	·begun+early_pid(SB), DI
	MOVL	$128, SI
	MOVQ	SP, DX
	MOVL	$204, AX // sched_getaffinity(child, 128, was)
	SYSCALL
	TESTQ	AX, AX
	JLE	placed
	MOVQ	AX, R14 // bytes of it
	LEAQ	128(SP), DI
	XORL	SI, SI
	XORL	DX, DX
	MOVL	$309, AX // getcpu(here, 0, 0)
	SYSCALL
	MOVL	128(SP), R13
	BTRQ	R13, (SP)
	MOVL	·begun+early_pid(SB), DI
	MOVQ	R14, SI
	MOVQ	SP, DX
	MOVL	$203, AX // sched_setaffinity(child, bytes, was but for here); EINVAL: there is no other
	SYSCALL
	TESTQ	AX, AX
	JNE	placed
	BTSQ	R13, (SP)
	MOVQ	R14, AX
all:
	MOVQ	$-1, 120(SP)(AX*1)
	SUBQ	$8, AX
	JNE	all
	LEAQ	128(SP), DX
	MOVL	$203, AX // sched_setaffinity(child, bytes, all)
	SYSCALL
	MOVL	$204, AX // sched_getaffinity(child, bytes, is)
	SYSCALL
same:
	MOVQ	-8(SP)(R14*1), AX
	CMPQ	AX, 120(SP)(R14*1)
	JNE	restricted
	SUBQ	$8, R14
	JNE	same
	JMP	placed
restricted:
	MOVQ	SP, DX
	MOVL	$203, AX // sched_setaffinity(child, bytes, was)
	SYSCALL
placed:
	ADDQ	$256, SP

	// While Go begins, its monitor (runtime, sysmon) wakes up every 20 µs and takes the processor from who works, a hundred times
	// at a start. A timer may be late by its thread's slack, which those have that the thread starts (PR_SET_TIMERSLACK(2const)).
slack:
	MOVL	$30, DI
	MOVL	$157, AX // prctl(PR_GET_TIMERSLACK)
	SYSCALL
	TESTQ	AX, AX
	JLE	begin
	MOVQ	AX, ·begun+early_slack(SB)
	MOVL	$29, DI
	MOVL	$1000000, SI
	MOVL	$157, AX // prctl(PR_SET_TIMERSLACK, 1 ms)
	SYSCALL
begin:
	XORL	DX, DX // no function for atexit(3)
	JMP	_rt0_amd64_linux(SB)

courier:
	MOVL	$-1, ·begun+early_pid(SB)
	XORL	DI, DI
	XORL	SI, SI
	MOVL	$109, AX // setpgid(0, 0)
	SYSCALL

	// Where the arguments and the environment are.
	LEAQ	8(SP), AX
	MOVQ	AX, ·begun+early_arguments(SB)
	LEAQ	16(SP)(R12*8), R13
	MOVQ	R13, ·begun+early_environment(SB)

	// R13 is the auxiliary vector, R14 how many bytes that has.
variable:
	ADDQ	$8, R13
	CMPQ	-8(R13), $0
	JNE	variable
	MOVQ	R13, R14
pair:
	ADDQ	$16, R14
	CMPQ	-16(R14), $0
	JNE	pair
	SUBQ	R13, R14

	// Below is made what an execve of a courier would have laid out.
	SUBQ	R14, SP
	SUBQ	$64, SP
	ANDQ	$~15, SP
	MOVQ	$2, 0(SP)
	LEAQ	·courierName(SB), AX
	MOVQ	AX, 8(SP)
	LEAQ	·courierArgument(SB), AX
	MOVQ	AX, 16(SP)
	MOVQ	$0, 24(SP)
	LEAQ	·courierCollects(SB), AX
	MOVQ	AX, 32(SP)
	LEAQ	·courierThreads(SB), AX
	MOVQ	AX, 40(SP)
	MOVQ	$0, 48(SP)
	LEAQ	56(SP), R12
copy:
	MOVQ	0(R13), AX
	MOVQ	8(R13), DI
	MOVQ	AX, 0(R12)
	MOVQ	DI, 8(R12)
	CMPQ	AX, $25 // AT_RANDOM: 16 bytes, of which Go makes its random numbers. They are to be others.
	JNE	copied
	MOVL	$16, SI
	XORL	DX, DX
	MOVL	$318, AX // getrandom(bytes, 16, 0)
	SYSCALL
copied:
	ADDQ	$16, R12
	ADDQ	$16, R13
	SUBQ	$16, R14
	JNE	copy
	JMP	slack
