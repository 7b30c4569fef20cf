package themes

// Role is what a colour is for.
type Role string

// The roles a palette fills.
const (
	Background    Role = "background"
	Surface       Role = "surface"       // bars above and below the screen, dialogs
	Selection     Role = "selection"     // background of the selected row
	SelectionText Role = "selectionText" // text where the selection colour is the background
	Text          Role = "text"
	Muted         Role = "muted" // labels, less important text
	Faint         Role = "faint" // decoration: rules, empty gauges
	Border        Role = "border"
	Focus         Role = "focus" // border of what has the focus
	Accent        Role = "accent"

	OK     Role = "ok"     // ready, running
	Busy   Role = "busy"   // starting, pending
	Warn   Role = "warn"   // degraded, soon to fail
	Bad    Role = "bad"    // failed, killed
	Paused Role = "paused" // frozen
	Off    Role = "off"    // waiting, not running on purpose
	Info   Role = "info"

	Leader       Role = "leader"
	Candidate    Role = "candidate"
	PreCandidate Role = "preCandidate"
	Follower     Role = "follower"
	Learner      Role = "learner"
)

// Roles are all roles, in the order of their declaration.
func Roles() []Role {
	return []Role{
		Background, Surface, Selection, SelectionText, Text, Muted, Faint, Border, Focus, Accent,
		OK, Busy, Warn, Bad, Paused, Off, Info,
		Leader, Candidate, PreCandidate, Follower, Learner,
	}
}

// readable are the roles that carry text on the background.
func readable() []Role {
	return []Role{Text, Muted, Accent, OK, Busy, Warn, Bad, Paused, Off, Info,
		Leader, Candidate, PreCandidate, Follower, Learner}
}

// states are the roles that stand beside each other and mean different things.
func states() [][]Role {
	return [][]Role{
		{OK, Busy, Warn, Bad, Paused, Off},
		{Leader, Candidate, PreCandidate, Follower, Learner, Bad},
	}
}
