package screen

import "workbench/cluster/history"

// Intent is what a screen wants of the app.
type Intent interface{ intent() }

// Fault asks the user to confirm an action of the supervisor on a target.
type Fault struct{ Verb, Target string }

// Ask opens the palette with the beginning of a fault, for the user to go on.
type Ask struct{ Text string }

// Act does an action at once: one that only repairs.
type Act struct{ Verb, Target string }

// Page runs a command of the workbench binary and shows what it prints.
type Page struct {
	Title string
	Args  []string
	// Follow stays at the end as more is printed.
	Follow bool
}

// Shell runs a command of the workbench binary in the whole terminal.
type Shell struct{ Args []string }

// Command runs a command of the workbench binary after the user confirmed it;
// what it prints goes to the status line.
type Command struct {
	Question string
	Detail   string
	Args     []string
}

// Open goes to another screen.
type Open struct{ ID string }

// Seek shows the lab at another instant, on all screens.
type Seek struct{ At history.Instant }

// Mark puts the second cursor here, or takes it away.
type Mark struct{}

// Note is a sentence for the status line.
type Note struct{ Text string }

func (Fault) intent()   {}
func (Ask) intent()     {}
func (Act) intent()     {}
func (Page) intent()    {}
func (Shell) intent()   {}
func (Command) intent() {}
func (Open) intent()    {}
func (Seek) intent()    {}
func (Mark) intent()    {}
func (Note) intent()    {}
