#include "textflag.h"
#include "go_asm.h"

// As on amd64, where it is explained. The kernel changes R0 alone. R19 is argc, R20 and R21 are what is looked at.
TEXT vwrap_entry(SB), NOSPLIT|NOFRAME, $0
	MOVD	0(RSP), R19

	ADD	$8, RSP, R20
argument:
	MOVD.P	8(R20), R1
	CBZ	R1, begin
	MOVBU	0(R1), R2
	CMP	$'-', R2
	BNE	argument
	MOVBU	1(R1), R2
	CMP	$'-', R2
	BNE	argument
	MOVBU	2(R1), R2
	CBNZ	R2, argument

	ADD	$8, RSP, R20
	MOVD	$2, R21
	MOVD	$0x6c756176, R3 // "vaul"
	MOVD	$0x3a74, R4 // "t:"
string:
	MOVD.P	8(R20), R1
	CBNZ	R1, text
	SUB	$1, R21
	CBNZ	R21, string
	B	file
text:
	MOVWU	0(R1), R2
	CMP	R3, R2
	BNE	character
	MOVHU	4(R1), R2
	CMP	R4, R2
	BEQ	alone
character:
	MOVBU.P	1(R1), R2
	CBNZ	R2, text
	B	string

file: // faccessat
	MOVD	$-100, R0
	MOVD	$·configName(SB), R1
	MOVD	ZR, R2
	MOVD	$48, R8
	SVC
	CBNZ	R0, begin

alone: // waitid
	MOVD	ZR, R0
	MOVD	ZR, R1
	MOVD	ZR, R2
	MOVD	$0x1000005, R3
	MOVD	ZR, R4
	MOVD	$95, R8
	SVC
	CMN	$10, R0 // ECHILD
	BNE	begin

	MOVD	$·memoryName(SB), R0 // memfd_create
	MOVD	$11, R1
	MOVD	$279, R8
	SVC
	CMN	$22, R0 // EINVAL
	BNE	memory
	MOVD	$·memoryName(SB), R0
	MOVD	$3, R1
	MOVD	$279, R8
	SVC
memory:
	TBNZ	$63, R0, begin
	MOVD	$·begun(SB), R20
	MOVW	R0, early_memory(R20)

	ADD	$early_pipes, R20
	MOVD	$3, R21
pipe: // pipe2
	MOVD	R20, R0
	MOVD	$0x80000, R1
	MOVD	$59, R8
	SVC
	CBNZ	R0, begin
	ADD	$8, R20
	SUB	$1, R21
	CBNZ	R21, pipe

	MOVD	$17, R0 // clone
	MOVD	ZR, R1
	MOVD	ZR, R2
	MOVD	ZR, R3
	MOVD	ZR, R4
	MOVD	$220, R8
	SVC
	TBNZ	$63, R0, begin
	MOVD	$·begun(SB), R20
	CBZ	R0, courier
	MOVW	R0, early_pid(R20)
	MOVD	R0, R1
	MOVD	$154, R8 // setpgid
	SVC

	MOVD	$21, R0
	MOVD	$167, R8 // prctl(PR_GET_SECCOMP)
	SVC
	CBNZ	R0, slack
	SUB	$256, RSP
	MOVW	early_pid(R20), R0
	MOVD	$128, R1
	MOVD	RSP, R2
	MOVD	$123, R8 // sched_getaffinity
	SVC
	CMP	$0, R0
	BLE	placed
	MOVD	R0, R21
	ADD	$128, RSP, R24
	MOVD	R24, R0
	MOVD	ZR, R1
	MOVD	ZR, R2
	MOVD	$168, R8 // getcpu
	SVC
	MOVWU	(R24), R22
	LSR	$6, R22, R23
	MOVD	RSP, R2
	ADD	R23<<3, R2, R23
	MOVD	$1, R1
	LSL	R22, R1, R22
	MOVD	(R23), R1
	BIC	R22, R1, R1
	MOVD	R1, (R23)
	MOVW	early_pid(R20), R0
	MOVD	R21, R1
	MOVD	$122, R8 // sched_setaffinity
	SVC
	CBNZ	R0, placed
	MOVD	(R23), R1
	ORR	R22, R1, R1
	MOVD	R1, (R23)
	MOVD	$-1, R1
	MOVD	R21, R22
all:
	SUB	$8, R22
	MOVD	R1, (R24)(R22)
	CBNZ	R22, all
	MOVW	early_pid(R20), R0
	MOVD	R21, R1
	MOVD	R24, R2
	MOVD	$122, R8 // sched_setaffinity
	SVC
	MOVW	early_pid(R20), R0
	MOVD	$123, R8 // sched_getaffinity
	SVC
	MOVD	RSP, R2
	MOVD	R21, R22
same:
	SUB	$8, R22
	MOVD	(R24)(R22), R23
	MOVD	(R2)(R22), R25
	CMP	R23, R25
	BNE	restricted
	CBNZ	R22, same
	B	placed
restricted:
	MOVW	early_pid(R20), R0
	MOVD	$122, R8 // sched_setaffinity
	SVC
placed:
	ADD	$256, RSP

slack:
	MOVD	$·begun(SB), R20
	MOVD	$30, R0
	MOVD	$167, R8 // prctl(PR_GET_TIMERSLACK)
	SVC
	CMP	$0, R0
	BLE	begin
	MOVD	R0, early_slack(R20)
	MOVD	$29, R0
	MOVD	$1000000, R1
	MOVD	$167, R8 // prctl(PR_SET_TIMERSLACK)
	SVC
begin:
	MOVD	ZR, R0
	B	_rt0_arm64_linux(SB)

courier:
	MOVD	$-1, R1
	MOVW	R1, early_pid(R20)
	MOVD	ZR, R1
	MOVD	$154, R8 // setpgid; R0 is 0
	SVC

	ADD	$8, RSP, R1
	MOVD	R1, early_arguments(R20)
	ADD	R19<<3, R1, R2
	ADD	$8, R2
	MOVD	R2, early_environment(R20)

	MOVD	R2, R20
variable:
	MOVD.P	8(R20), R1
	CBNZ	R1, variable
	MOVD	R20, R21
pair:
	MOVD.P	16(R21), R1
	CBNZ	R1, pair
	SUB	R20, R21, R21

	MOVD	RSP, R2
	SUB	R21, R2
	SUB	$64, R2
	AND	$~15, R2
	MOVD	R2, RSP
	MOVD	$2, R1
	MOVD	R1, 0(RSP)
	MOVD	$·courierName(SB), R1
	MOVD	R1, 8(RSP)
	MOVD	$·courierArgument(SB), R1
	MOVD	R1, 16(RSP)
	MOVD	ZR, 24(RSP)
	MOVD	$·courierCollects(SB), R1
	MOVD	R1, 32(RSP)
	MOVD	$·courierThreads(SB), R1
	MOVD	R1, 40(RSP)
	MOVD	ZR, 48(RSP)
	ADD	$56, RSP, R19
copy:
	MOVD	0(R20), R1
	MOVD	8(R20), R0
	MOVD	R1, 0(R19)
	MOVD	R0, 8(R19)
	CMP	$25, R1 // AT_RANDOM
	BNE	copied
	MOVD	$16, R1
	MOVD	ZR, R2
	MOVD	$278, R8 // getrandom
	SVC
copied:
	ADD	$16, R19
	ADD	$16, R20
	SUB	$16, R21
	CBNZ	R21, copy
	B	slack
