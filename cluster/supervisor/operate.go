package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/state"
)

// operation is one operation under way.
type operation struct {
	*Supervisor
	api.OperationRequest
	tell func(string) // the client that asked
	// same is what does the same from a shell.
	same string
}

// say tells what is done and why, to the client and to the journal.
func (o *operation) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	o.rec.Emit(event.OperationStep{Verb: o.Verb, Target: o.Target, Text: text})
	o.tell(text)
}

// ask asks for confirmation unless the request has it.
func (o *operation) ask(reasons ...string) error {
	if o.Yes {
		return nil
	}
	return &api.Danger{Text: strings.TrimSpace(strings.Replace(o.Verb, ".", " ", 1) + " " + o.Target), Reasons: reasons}
}

// operations are what can be asked for, by verb.
func operations() map[string]func(*operation, context.Context) error {
	return map[string]func(*operation, context.Context) error{
		"etcd.members":     (*operation).listMembers,
		"etcd.status":      (*operation).memberStatus,
		"etcd.move-leader": (*operation).moveLeader,
		"etcd.defrag":      (*operation).defragment,
		"etcd.compact":     (*operation).compact,
		"etcd.snapshot":    (*operation).snapshot,
		"etcd.restore":     (*operation).restore,
		"etcd.add-learner": (*operation).addLearner,
		"etcd.promote":     (*operation).promote,
		"etcd.remove":      (*operation).removeMember,
		"scene.save":       (*operation).saveScene,
		"image.load":       (*operation).loadImage,
		"image.rm":         (*operation).removeImage,
		"node.add":         (*operation).addNode,
		"pulse.on":         (*operation).switchPulse,
		"pulse.off":        (*operation).switchPulse,
		"node.remove":      (*operation).removeNode,
	}
}

// looks are the operations that change nothing, which the journal need not know.
var looks = []string{"etcd.members", "etcd.status"}

// Operate implements api.Operations. It goes on when the client leaves: half of
// an operation is worse than either.
func (s *Supervisor) Operate(_ context.Context, r api.OperationRequest, tell func(string)) error {
	do := operations()[r.Verb]
	if do == nil {
		return fmt.Errorf("unknown operation %q; there are %s", r.Verb, strings.Join(slices.Sorted(maps.Keys(operations())), ", "))
	}
	o := &operation{Supervisor: s, OperationRequest: r, tell: tell}
	if slices.Contains(looks, r.Verb) {
		return do(o, s.background)
	}
	var phase event.Phase
	s.rec.See(func(w *state.World) { phase = w.Phase })
	if phase != event.Running {
		return fmt.Errorf("%s: the lab is %s; operations are for one that runs", r.Verb, phase)
	}
	if !s.operating.TryLock() {
		return fmt.Errorf("%s: another operation is under way; wait until it is done", r.Verb)
	}
	defer s.operating.Unlock()
	var err error
	done := make(chan struct{})
	s.sources.Go(func() {
		defer close(done)
		err = do(o, s.background)
	})
	<-done
	var danger *api.Danger
	if errors.As(err, &danger) {
		return err // a question, not an action
	}
	a := event.Action{Verb: r.Verb, Target: o.Target, Equivalent: o.same}
	if err != nil {
		a.Error = err.Error()
	}
	s.rec.Emit(a)
	return err
}
