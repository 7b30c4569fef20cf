package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// maxReason is how many bytes of a reason fit where it is shown.
const maxReason = 100

// reason says in a few words why a request failed.
func reason(err error, timeout time.Duration) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which is always the same
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.Unwrap() != nil {
		err = d.Unwrap() // without the name, and a server that was not the one asked
	}
	if n, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || (ok && n.Timeout()) {
		return fmt.Sprintf("no answer within %s", timeout)
	}
	for known, text := range map[error]string{
		syscall.ECONNREFUSED: "connection refused",
		syscall.ECONNRESET:   "connection reset",
		syscall.EPIPE:        "connection reset",
		syscall.EHOSTUNREACH: "no route to host",
		syscall.ENETUNREACH:  "network unreachable",
		io.EOF:               "connection closed",
		io.ErrUnexpectedEOF:  "connection closed",
	} {
		if errors.Is(err, known) {
			return text
		}
	}
	text := err.Error()
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		text = fmt.Sprintf("%d %s", status.Status().Code, text)
	}
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason-len("…")], "") + "…"
	}
	return text
}
