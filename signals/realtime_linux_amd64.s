#include "textflag.h"

// write(pipe, &signal, 1). The kernel passes the signal's number in DI; what it interrupted gets its registers back
// when the handler returns.
TEXT ·handle(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$24, SP
	MOVB	DI, 8(SP)
	MOVL	·pipe(SB), DI
	LEAQ	8(SP), SI
	MOVL	$1, DX
	MOVL	$1, AX
	SYSCALL
	ADDQ	$24, SP
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	LEAQ	·handle(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
