package lag

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	at := func(ms int) time.Time {
		return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	}
	m := newMeter("c1")
	m.fromEtcd(5, at(0)) // nothing is compared before the watch is open
	m.fromAPI(5, at(1))
	if _, ok := m.tell(at(2), ""); ok {
		t.Error("nothing was measured, and yet something is told")
	}
	m.begin(10)
	m.fromEtcd(9, at(5)) // it exists already
	m.fromEtcd(11, at(10))
	m.fromAPI(11, at(13))
	got, ok := m.tell(at(20), "")
	if !ok || got.Revision != 11 || got.Lag != 3*time.Millisecond || got.Behind != 0 {
		t.Errorf("%+v, %v", got, ok)
	}
	m.fromAPI(12, at(30)) // the other connection was read first
	m.fromEtcd(12, at(31))
	if got, ok := m.tell(at(40), ""); ok || got.Revision != 12 || got.Lag != 0 {
		t.Errorf("%+v, %v: told again too soon, or wrong", got, ok)
	}
	m.fromEtcd(13, at(100))
	m.fromEtcd(14, at(300))
	got, ok = m.tell(at(700), "")
	if !ok || got.Behind != 1 || got.Waiting != 600*time.Millisecond {
		t.Errorf("%+v, %v: falling behind is told at once", got, ok)
	}
	if got, ok = m.tell(at(1800), ""); !ok || got.Behind != 2 || got.Waiting != 1700*time.Millisecond {
		t.Errorf("%+v, %v: and again while it lasts", got, ok)
	}
	m.fromAPI(14, at(1900)) // 13 was overtaken: nothing waits any more
	if got, ok = m.tell(at(2000), ""); !ok || got.Behind != 0 || got.Revision != 14 || got.Lag != 1600*time.Millisecond {
		t.Errorf("%+v, %v: having caught up is told at once", got, ok)
	}
	m.fromEtcd(15, at(3000))
	m.reset()
	if got, ok = m.tell(at(9000), "gone"); !ok || got.Error != "gone" || got.Behind != 0 {
		t.Errorf("%+v, %v", got, ok)
	}
	for i := range int64(5 * held) {
		m.fromAPI(100+i, at(9000))
		m.fromEtcd(100000+i, at(9000))
	}
	m.begin(0)
	for i := range int64(5 * held) {
		m.fromEtcd(200000+i, at(9000))
		m.fromAPI(300000+i, at(9000))
	}
	if len(m.etcd) > held || len(m.api) > held {
		t.Errorf("%d and %d revisions wait", len(m.etcd), len(m.api))
	}
}
