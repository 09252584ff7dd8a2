#include "textflag.h"

// write(pipe, &signal, 1). The kernel passes the signal's number in R0; what it interrupted gets its registers back
// when the handler returns.
TEXT ·handle(SB), NOSPLIT|NOFRAME, $0
	SUB	$16, RSP
	MOVB	R0, 8(RSP)
	MOVW	·pipe(SB), R0
	ADD	$8, RSP, R1
	MOVD	$1, R2
	MOVD	$64, R8
	SVC
	ADD	$16, RSP
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	MOVD	$·handle(SB), R0
	MOVD	R0, ret+0(FP)
	RET
