#include "textflag.h"

// write(pipe, &signal, 1), but for what this process has sent; with byKernel, where the kernel speaks for itself. It
// passes the signal's number in R0 and its siginfo_t in R1: si_code is at 8, above 0 where it does, si_pid at 16
// (sigaction(2)). What was interrupted gets its registers back when the handler returns. One of job control, CONT (18)
// to TTOU (22), is kept in jobControl as well.
TEXT ·handle(SB), NOSPLIT|NOFRAME, $0
	SUBW	$18, R0, R2
	CMPW	$4, R2
	BHI	sender
	MOVW	R0, ·jobControl(SB)
sender:
	MOVW	8(R1), R2
	CMPW	$0, R2
	BGT	kernel
	MOVW	16(R1), R2
	MOVW	·self(SB), R3
	CMPW	R3, R2
	BEQ	done
	B	send
kernel:
	ORR	$0x80, R0
send:
	SUB	$16, RSP
	MOVB	R0, 8(RSP)
	MOVW	·pipe(SB), R0
	ADD	$8, RSP, R1
	MOVD	$1, R2
	MOVD	$64, R8
	SVC
	ADD	$16, RSP
done:
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	MOVD	$·handle(SB), R0
	MOVD	R0, ret+0(FP)
	RET
