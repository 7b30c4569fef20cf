// Package pause generates the program of the sandbox container: a static ELF
// executable of a few hundred bytes, for amd64 and arm64, without a compiler.
//
// Every pod has one such process: it holds the pod's namespaces open. It does
// what upstream's pause does, and nothing else:
//
//   - SIGCHLD is set to "ignore", so the kernel reaps every child at once. With
//     shareProcessNamespace it is PID 1 of the pod and inherits all orphans.
//   - SIGINT and SIGTERM are blocked and waited for. Blocking matters: as PID 1
//     of a namespace a signal without handler would be dropped by the kernel, a
//     blocked one is queued and sigtimedwait(2) takes it. The process then exits
//     with status 0.
//   - All other signals keep their default meaning.
package pause

import (
	"encoding/binary"
	"fmt"
)

// Binary returns the ELF executable for a Go architecture name. The bytes are
// the same on every machine and with every Go version.
func Binary(arch string) ([]byte, error) {
	switch arch {
	case "amd64":
		return link(machineAMD64, programAMD64), nil
	case "arm64":
		return link(machineARM64, programARM64), nil
	}
	return nil, fmt.Errorf("generate pause for %q: only amd64 and arm64 are known", arch)
}

const (
	// machineAMD64 and machineARM64 are the e_machine values of elf(5).
	machineAMD64 = 62
	machineARM64 = 183

	// loadAddress is where the one segment is mapped; 64 KiB alignment suits
	// arm64 kernels with large pages too.
	loadAddress = 0x400000
	segmentPage = 0x10000

	headerSize        = 64
	programHeaderSize = 56
	// codeOffset follows the ELF header, PT_LOAD and PT_GNU_STACK.
	codeOffset = headerSize + 2*programHeaderSize

	// sigactionSize is the kernel's struct sigaction on both machines: handler,
	// flags, restorer and mask, eight bytes each.
	sigactionSize = 32
	maskSize      = 8
)

// program emits machine code that will run at address base, given the addresses
// of the sigaction and the signal mask behind it. Its length must not depend on
// the addresses.
type program func(base, sigaction, mask uint64) []byte

// link wraps a program and its data into an ELF file with one read-execute
// segment that covers the whole file.
func link(machine uint16, code program) []byte {
	base := uint64(loadAddress + codeOffset)
	size := uint64(len(code(base, 0, 0)))
	data := (base + size + 7) &^ 7
	text := code(base, data, data+sigactionSize)
	total := data - loadAddress + sigactionSize + maskSize

	file := make([]byte, total)
	order := binary.LittleEndian
	copy(file, "\x7fELF\x02\x01\x01") // 64 bit, little endian, version 1
	order.PutUint16(file[16:], 2)     // e_type: ET_EXEC
	order.PutUint16(file[18:], machine)
	order.PutUint32(file[20:], 1)          // e_version
	order.PutUint64(file[24:], base)       // e_entry
	order.PutUint64(file[32:], headerSize) // e_phoff
	order.PutUint16(file[52:], headerSize) // e_ehsize
	order.PutUint16(file[54:], programHeaderSize)
	order.PutUint16(file[56:], 2) // e_phnum

	load := file[headerSize:]
	order.PutUint32(load, 1)     // PT_LOAD
	order.PutUint32(load[4:], 5) // PF_R | PF_X
	order.PutUint64(load[16:], loadAddress)
	order.PutUint64(load[24:], loadAddress)
	order.PutUint64(load[32:], total)
	order.PutUint64(load[40:], total)
	order.PutUint64(load[48:], segmentPage)

	stack := file[headerSize+programHeaderSize:]
	order.PutUint32(stack, 0x6474e551) // PT_GNU_STACK: the stack is not executable
	order.PutUint32(stack[4:], 6)      // PF_R | PF_W
	order.PutUint64(stack[48:], 16)

	copy(file[codeOffset:], text)
	sigaction := file[data-loadAddress:]
	order.PutUint64(sigaction, 1)                              // SIG_IGN; flags, restorer and mask are zero
	order.PutUint64(sigaction[sigactionSize:], 1<<1|1<<(15-1)) // SIGINT is 2, SIGTERM is 15
	return file
}
