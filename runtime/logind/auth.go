package logind

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// errProtocol is why a client that does not speak D-Bus is left.
var errProtocol = errors.New("not the D-Bus protocol")

// authenticate is the server's side of the authentication of the D-Bus
// specification, with its one mechanism that trusts the kernel: EXTERNAL. It
// reads no further than BEGIN.
func authenticate(in *bufio.Reader, out io.Writer, uid uint32, guid string) error {
	if b, err := in.ReadByte(); err != nil || b != 0 {
		return errors.Join(errProtocol, err)
	}
	const most = 16 // lines of a client that cannot make up its mind
	known, asked := false, false
	for range most {
		line, err := in.ReadSlice('\n') // at most the reader's buffer
		if err != nil {
			return err
		}
		command, data, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		answer := "ERROR"
		mechanism, first, _ := strings.Cut(data, " ")
		switch {
		case command == "BEGIN" && known:
			return nil
		case command == "BEGIN":
			return errProtocol
		case command == "NEGOTIATE_UNIX_FD" && known:
			answer = "AGREE_UNIX_FD"
		case command == "AUTH" && mechanism == "EXTERNAL" && first == "":
			answer, asked = "DATA", true
		case command == "AUTH" && mechanism == "EXTERNAL":
			known = is(uid, first)
			answer = verdict(known, guid)
		case command == "DATA" && asked:
			known = data == "" || is(uid, data)
			answer, asked = verdict(known, guid), false
		case command == "AUTH", command == "CANCEL":
			answer, known, asked = "REJECTED EXTERNAL", false, false
		}
		if _, err := fmt.Fprintf(out, "%s\r\n", answer); err != nil {
			return err
		}
	}
	return errProtocol
}

func verdict(known bool, guid string) string {
	if known {
		return "OK " + guid
	}
	return "REJECTED EXTERNAL"
}

// is says whether a client claims to be who it is: a user ID in decimal digits,
// in hexadecimal code.
func is(uid uint32, claim string) bool {
	raw, err := hex.DecodeString(claim)
	return err == nil && string(raw) == strconv.FormatUint(uint64(uid), 10)
}
