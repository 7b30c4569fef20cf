package pause

import "encoding/binary"

// programARM64 is the arm64 program. System calls take their number in x8 and
// their arguments in x0 to x3; only x0 is clobbered, so x3 keeps its 8.
func programARM64(base, sigaction, mask uint64) []byte {
	var text []byte
	op := func(word uint32) { text = binary.LittleEndian.AppendUint32(text, word) }
	here := func() uint64 { return base + uint64(len(text)) }
	// movz wN, #value
	mov := func(register, value uint32) { op(0x52800000 | value<<5 | register) }
	// adr xN, address: the distance in bytes, its low two bits apart
	adr := func(register uint32, address uint64) {
		distance := uint32(int64(address) - int64(here()))
		op(0x10000000 | distance&3<<29 | distance>>2&0x7ffff<<5 | register)
	}
	svc := func() { op(0xd4000001) } // svc #0

	// rt_sigaction(SIGCHLD, &sigaction, NULL, 8)
	mov(8, 134)
	mov(0, 17)
	adr(1, sigaction)
	mov(2, 0)
	mov(3, 8)
	svc()

	// rt_sigprocmask(SIG_BLOCK, &mask, NULL, 8)
	mov(8, 135)
	mov(0, 0)
	adr(1, mask)
	svc()

	// wait: rt_sigtimedwait(&mask, NULL, NULL, 8)
	wait := here()
	mov(8, 137)
	adr(0, mask)
	mov(1, 0)
	mov(2, 0)
	svc()
	// tbnz x0, #63, wait: a negative result means interrupted. The distance is in words.
	op(0xb7f80000 | uint32(int64(wait)-int64(here()))>>2&0x3fff<<5)

	// exit_group(0)
	mov(8, 94)
	mov(0, 0)
	svc()
	return text
}
