package supervisor

import (
	"context"

	"workbench/cluster/event"
)

// oneShots are the faults that are over as soon as they happened.
var oneShots = map[string]func(*Supervisor, context.Context, event.FaultInjected) error{}
