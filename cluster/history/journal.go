package history

import "workbench/cluster/journal"

// OfJournal is a journal as the log of a history.
func OfJournal(j *journal.Journal) Log { return journalLog{j} }

type journalLog struct{ *journal.Journal }

// Open implements Log.
func (l journalLog) Open(after, until uint64) Cursor { return l.Reader(after).Until(until) }
