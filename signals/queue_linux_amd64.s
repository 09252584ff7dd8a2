#include "textflag.h"

// write(pipe, &signal, 1), but for what this process has sent; with byKernel, where the kernel speaks for itself. It
// passes the signal's number in DI and its siginfo_t in SI: si_code is at 8, above 0 where it does, si_pid at 16
// (sigaction(2)). What was interrupted gets its registers back when the handler returns. One of job control, CONT (18)
// to TTOU (22), is kept in jobControl as well.
TEXT ·handle(SB), NOSPLIT|NOFRAME, $0
	LEAL	-18(DI), AX
	CMPL	AX, $4
	JHI	sender
	MOVL	DI, ·jobControl(SB)
sender:
	MOVL	8(SI), AX
	CMPL	AX, $0
	JGT	kernel
	MOVL	16(SI), AX
	CMPL	AX, ·self(SB)
	JEQ	done
	JMP	send
kernel:
	ORL	$0x80, DI
send:
	SUBQ	$24, SP
	MOVB	DI, 8(SP)
	MOVL	·pipe(SB), DI
	LEAQ	8(SP), SI
	MOVL	$1, DX
	MOVL	$1, AX
	SYSCALL
	ADDQ	$24, SP
done:
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	LEAQ	·handle(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
