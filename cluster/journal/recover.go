package journal

import (
	"errors"
	"fmt"
	"os"

	"workbench/cluster/event"
)

// recover finds the segments, the last event and a place to append at.
func (j *Journal) recover() error {
	segments, err := listSegments(j.dir)
	if err != nil {
		return err
	}
	j.segments = segments
	for _, s := range segments {
		j.total += s.bytes
	}
	if len(segments) == 0 {
		return j.begin(1)
	}
	if err := j.recoverLast(); err != nil {
		return err
	}
	j.enforce()
	return nil
}

// recoverLast reads the last segment through: its events fill the tail, and
// what follows the last of them is cut off. A sealed one is left alone.
func (j *Journal) recoverLast() error {
	s := j.activeSegment()
	j.last = s.first - 1
	good, err := scan(*s, func(e event.Event) {
		j.last = e.Seq
		j.tail.push(e)
	})
	if err != nil {
		return err
	}
	if s.sealed {
		return j.begin(j.last + 1)
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if cut := s.bytes - good; cut > 0 {
		if err := f.Truncate(good); err != nil {
			return errors.Join(fmt.Errorf("cut off the damaged end of segment %s: %w", s.path, err), f.Close())
		}
		j.recovered = Recovery{Segment: s.path, CutBytes: cut, Last: j.last}
		j.total -= cut
		s.bytes = good
	}
	j.active = f
	return nil
}

// scan visits the readable events of a segment in order. It gives the size of
// the segment up to the end of the last of them. Damage is no error here.
func scan(s segment, visit func(event.Event)) (good int64, err error) {
	r, err := openSegment(s)
	if err != nil {
		return 0, err
	}
	for next := s.first; ; {
		e, err := r.at(next)
		if err != nil {
			if path := (*os.PathError)(nil); errors.As(err, &path) {
				return good, errors.Join(err, r.close()) // the disk, not the content
			}
			return good, r.close()
		}
		good, next = r.lines.bytes, e.Seq+1
		visit(e)
	}
}
