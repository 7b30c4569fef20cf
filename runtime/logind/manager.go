package logind

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// manager is logind's own state.
type manager struct {
	config Config

	mu        sync.Mutex
	locks     []*lock // in the order in which they were taken
	limit     time.Duration
	preparing bool
	more      chan struct{} // closed and replaced with every change
}

func newManager(c Config) *manager {
	return &manager{config: c, limit: delayMax(c.ConfigDir), more: make(chan struct{})}
}

// changed tells of a change. Callers hold m.mu.
func (m *manager) changed() {
	close(m.more)
	m.more = make(chan struct{})
	if m.config.Changed != nil {
		m.config.Changed(m.held(), m.limit)
	}
}

// held are the inhibitors. Callers hold m.mu.
func (m *manager) held() []Inhibitor {
	var out []Inhibitor
	for _, l := range m.locks {
		out = append(out, l.Inhibitor)
	}
	return out
}

func (m *manager) add(l *lock) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.preparing {
		return errGoing
	}
	m.locks = append(m.locks, l)
	m.changed()
	return nil
}

func (m *manager) remove(l *lock) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = l.read.Close()
	if i := slices.Index(m.locks, l); i >= 0 {
		m.locks = slices.Delete(m.locks, i, i+1)
		m.changed()
	}
}

// close ends the watching of all inhibitors.
func (m *manager) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.locks {
		_ = l.read.Close()
	}
}

// reload reads the configuration again.
func (m *manager) reload() {
	limit := delayMax(m.config.ConfigDir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit != limit {
		m.limit = limit
		m.changed()
	}
}

// entry is an inhibitor as ListInhibitors has it.
type entry struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

func (m *manager) list() []entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []entry{}
	for _, l := range m.locks {
		out = append(out, entry{l.What, l.Who, l.Why, l.Mode, l.UID, uint32(l.PID)})
	}
	return out
}

func (m *manager) properties() map[string]dbus.Variant {
	m.mu.Lock()
	defer m.mu.Unlock()
	var delayed []string
	for _, l := range m.locks {
		delayed = append(delayed, strings.Split(l.What, ":")...)
	}
	slices.Sort(delayed)
	return map[string]dbus.Variant{
		"InhibitDelayMaxUSec":  dbus.MakeVariant(uint64(m.limit / time.Microsecond)),
		"PreparingForShutdown": dbus.MakeVariant(m.preparing),
		"DelayInhibited":       dbus.MakeVariant(strings.Join(slices.Compact(delayed), ":")),
		"BlockInhibited":       dbus.MakeVariant(""),
	}
}
