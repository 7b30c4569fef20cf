package supervisor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"workbench/cluster/event"
)

// TestPersist holds that an API server that is slow is waited for, and one that
// refuses is not.
func TestPersist(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "coredns", errors.New("no roles yet"))
	for name, c := range map[string]struct {
		answer func(since time.Duration) error
		want   string // "" for none
		took   time.Duration
	}{
		"slow":       {func(d time.Duration) error { return after(d, 5*time.Minute, errors.New("connection refused")) }, "", 5 * time.Minute},
		"overloaded": {func(d time.Duration) error { return after(d, 5*time.Minute, apierrors.NewTooManyRequestsError("busy")) }, "", 5 * time.Minute},
		"new":        {func(d time.Duration) error { return after(d, 50*time.Second, forbidden) }, "", 50 * time.Second},
		"refuses":    {func(time.Duration) error { return forbidden }, "no roles yet", time.Minute},
		"slow, then refuses": {func(d time.Duration) error {
			return errors.Join(after(d, 2*time.Minute, errors.New("no answer")), late(d, 2*time.Minute, forbidden))
		}, "no roles yet", 3 * time.Minute},
		"dead": {func(time.Duration) error { return errors.New("connection refused") }, "connection refused", slowTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			err := persist(t.Context(), func(context.Context) error { return c.answer(time.Since(began)) })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			if took := time.Since(began); took < c.took || took > c.took+time.Second {
				t.Errorf("%s: took %v, want %v", name, took, c.took)
			}
		})
	}
}

func after(d, until time.Duration, err error) error {
	if d < until {
		return err
	}
	return nil
}

func late(d, from time.Duration, err error) error {
	if d >= from {
		return err
	}
	return nil
}

func TestPersistEndsWithTheBoot(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("another step failed")
	err := persist(ctx, func(context.Context) error { cancel(why); return errors.New("no answer") })
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestBroken(t *testing.T) {
	exited := event.ComponentState{State: event.ComponentExited, Restarts: brokenExits}
	long := time.Now().Add(-2 * brokenTimeout)
	if broken(exited, long) == nil {
		t.Error("a component that exits again and again passes for slow")
	}
	slow := exited
	slow.State = event.ComponentStarted
	once := exited
	once.Restarts = 0
	for name, err := range map[string]error{"soon": broken(exited, time.Now()), "runs": broken(slow, long), "once": broken(once, long)} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
