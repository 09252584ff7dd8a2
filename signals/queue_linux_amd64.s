#include "textflag.h"

// write(pipe, &signal, 1), but for what this process has sent; with byKernel, where the kernel speaks for itself. It
// passes the signal's number in DI, its siginfo_t in SI, and what was interrupted in DX: si_code is at 8, above 0 where
// it does, si_pid at 16 (sigaction(2)). What was interrupted gets its registers back when the handler returns. CHLD (17) has
// a pipe of its own; one of job control, CONT (18) to TTOU (22), is kept in jobControl as well; and what the kernel says of
// ILL, TRAP, BUS, FPE, SEGV and SYS (4, 5, 7, 8, 11, 31) goes to Go.
TEXT ·handle(SB), NOSPLIT|NOFRAME, $0
	CMPL	DI, $17
	JEQ	child
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
	CMPL	DI, $31
	JHI	spoken // a real-time signal
	MOVL	$0x800009b0, AX
	BTL	DI, AX
	JCS	fault
spoken:
	ORL	$0x80, DI
send:
	MOVL	·pipe(SB), AX
write:
	SUBQ	$24, SP
	MOVB	DI, 8(SP)
	MOVL	AX, DI
	LEAQ	8(SP), SI
	MOVL	$1, DX
	MOVL	$1, AX
	SYSCALL
	ADDQ	$24, SP
done:
	RET
child:
	MOVL	·childPipe(SB), AX
	JMP	write
fault:
	MOVQ	·goHandler(SB), AX
	JMP	AX

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	LEAQ	·handle(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
