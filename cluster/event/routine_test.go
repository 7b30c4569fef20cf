package event

import "testing"

func TestRoutine(t *testing.T) {
	for _, b := range []Body{Probe{OK: true}, ComponentUsage{}, KubeLease{}, RaftStatus{}, RaftMessages{}} {
		if !Routine(b) {
			t.Errorf("%s is routine", b.Type())
		}
	}
	for _, b := range []Body{Probe{}, NodeState{}, RaftRole{}, Action{}, KubePod{}, Unknown{Name: "future.thing"}} {
		if Routine(b) {
			t.Errorf("%s is not routine", b.Type())
		}
	}
}
