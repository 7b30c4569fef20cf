package pause

import "encoding/binary"

// programAMD64 is the amd64 program. System calls take their number in eax and
// their arguments in rdi, rsi, rdx, r10; only rax, rcx and r11 are clobbered, so
// r10 keeps its 8 throughout. Writes to a 32-bit register clear the upper half.
func programAMD64(_, sigaction, mask uint64) []byte {
	var text []byte
	op := func(bytes ...byte) { text = append(text, bytes...) }
	load := func(opcode byte, value uint64) {
		text = binary.LittleEndian.AppendUint32(append(text, opcode), uint32(value))
	}
	const eax, esi, edi = 0xb8, 0xbe, 0xbf // mov r32, imm32

	// rt_sigaction(SIGCHLD, &sigaction, NULL, 8)
	load(eax, 13)                          // mov eax, 13
	load(edi, 17)                          // mov edi, SIGCHLD
	load(esi, sigaction)                   // mov esi, sigaction
	op(0x31, 0xd2)                         // xor edx, edx
	op(0x41, 0xba, 0x08, 0x00, 0x00, 0x00) // mov r10d, 8
	op(0x0f, 0x05)                         // syscall

	// rt_sigprocmask(SIG_BLOCK, &mask, NULL, 8)
	load(eax, 14)   // mov eax, 14
	op(0x31, 0xff)  // xor edi, edi
	load(esi, mask) // mov esi, mask
	op(0x0f, 0x05)  // syscall

	// wait: rt_sigtimedwait(&mask, NULL, NULL, 8)
	wait := len(text)
	load(eax, 128)                   // mov eax, 128
	load(edi, mask)                  // mov edi, mask
	op(0x31, 0xf6)                   // xor esi, esi
	op(0x31, 0xd2)                   // xor edx, edx
	op(0x0f, 0x05)                   // syscall
	op(0x85, 0xc0)                   // test eax, eax
	op(0x78, byte(wait-len(text)-2)) // js wait: interrupted, for example by SIGSTOP and SIGCONT

	// exit_group(0)
	load(eax, 231) // mov eax, 231
	op(0x31, 0xff) // xor edi, edi
	op(0x0f, 0x05) // syscall
	return text
}
