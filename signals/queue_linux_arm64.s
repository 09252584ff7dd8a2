#include "textflag.h"

// write(pipe, &signal, 1), but for what this process has sent; with byKernel, where the kernel speaks for itself. It
// passes the signal's number in R0, its siginfo_t in R1, and what was interrupted in R2: si_code is at 8, above 0 where
// it does, si_pid at 16 (sigaction(2)). What was interrupted gets its registers back when the handler returns. CHLD (17) has
// a pipe of its own; one of job control, CONT (18) to TTOU (22), is kept in jobControl as well; and what the kernel says of
// ILL, TRAP, BUS, FPE, SEGV and SYS (4, 5, 7, 8, 11, 31) goes to Go.
TEXT ·handle(SB), NOSPLIT|NOFRAME, $0
	CMPW	$17, R0
	BEQ	child
	SUBW	$18, R0, R3
	CMPW	$4, R3
	BHI	sender
	MOVW	R0, ·jobControl(SB)
sender:
	MOVW	8(R1), R3
	CMPW	$0, R3
	BGT	kernel
	MOVW	16(R1), R3
	MOVW	·self(SB), R4
	CMPW	R4, R3
	BEQ	done
	B	send
kernel:
	CMPW	$31, R0
	BHI	spoken // a real-time signal
	MOVD	$0x800009b0, R3
	LSR	R0, R3, R3
	TBNZ	$0, R3, fault
spoken:
	ORR	$0x80, R0
send:
	MOVW	·pipe(SB), R3
write:
	SUB	$16, RSP
	MOVB	R0, 8(RSP)
	MOVW	R3, R0
	ADD	$8, RSP, R1
	MOVD	$1, R2
	MOVD	$64, R8
	SVC
	ADD	$16, RSP
done:
	RET
child:
	MOVW	·childPipe(SB), R3
	B	write
fault:
	MOVD	·goHandler(SB), R3
	B	(R3)

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	MOVD	$·handle(SB), R0
	MOVD	R0, ret+0(FP)
	RET
