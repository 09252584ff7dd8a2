//go:build amd64 || arm64

#include "textflag.h"

// What a courier is executed as, Argument and Environ, in C's form: what is not given is zero.
DATA ·courierName+0(SB)/5, $"vwrap"
GLOBL ·courierName(SB), RODATA|NOPTR, $6
DATA ·courierArgument+0(SB)/8, $"__courie"
DATA ·courierArgument+8(SB)/1, $"r"
GLOBL ·courierArgument(SB), RODATA|NOPTR, $10
DATA ·courierCollects+0(SB)/8, $"GOGC=off"
GLOBL ·courierCollects(SB), RODATA|NOPTR, $9
DATA ·courierThreads+0(SB)/8, $"GOMAXPRO"
DATA ·courierThreads+8(SB)/4, $"CS=1"
GLOBL ·courierThreads(SB), RODATA|NOPTR, $13

DATA ·memoryName+0(SB)/8, $"vwrap-ge"
DATA ·memoryName+8(SB)/8, $"neration"
GLOBL ·memoryName(SB), RODATA|NOPTR, $17
DATA ·configName+0(SB)/8, $"vwrap.ya"
DATA ·configName+8(SB)/2, $"ml"
GLOBL ·configName(SB), RODATA|NOPTR, $11
