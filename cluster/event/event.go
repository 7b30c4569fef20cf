// Package event is the vocabulary of the workbench: everything that can be
// observed in a lab, as typed and sealed values.
//
// Sources (components, node inits, API watches, probes) emit events; the
// journal orders and stores them; state folds them; views draw the fold. The
// live view, replay, `workbench events -o json` and the tests read the same
// stream, so the JSON form below is a public format.
//
//	{"seq":41,"time":"2026-01-02T15:04:05.999999999Z","type":"component.ready","data":{"node":"c1",...}}
//
// The package imports the standard library only.
package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Event is one observation: a body and when it happened.
type Event struct {
	// Seq is the position in the journal, from 1, without gaps. It is 0 until
	// the journal has accepted the event.
	Seq uint64
	// Time is when the source observed it, by the clock of this machine. Nodes
	// share that clock, so times of different sources compare.
	Time time.Time
	Body Body
}

// Body is the sealed set of event payloads; see Types for all of them.
type Body interface {
	// Type is the stable wire name, such as "component.ready".
	Type() string
	sealed()
}

// Unknown carries a body whose type this build does not know, such as one from
// a newer recording. It is kept and written back unchanged.
type Unknown struct {
	Name string
	Data json.RawMessage
}

// Type implements Body.
func (u Unknown) Type() string { return u.Name }
func (Unknown) sealed()        {}

type wire struct {
	Seq  uint64          `json:"seq,omitempty"`
	Time time.Time       `json:"time"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// MarshalJSON writes the public form of the event.
func (e Event) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := e.WriteJSON(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteJSON appends the public form of the event to a buffer, in one line
// without its end. A buffer that is used again spares what MarshalJSON
// allocates. When the event cannot be encoded the buffer is as it was.
func (e Event) WriteJSON(to *bytes.Buffer) error {
	if e.Body == nil {
		return fmt.Errorf("encode event %d: no body", e.Seq)
	}
	name, err := json.Marshal(e.Body.Type())
	if err != nil {
		return fmt.Errorf("encode event %d: %w", e.Seq, err)
	}
	// Put together by hand: as a field, the data would be gone over once more.
	start := to.Len()
	to.WriteByte('{')
	if e.Seq != 0 {
		to.WriteString(`"seq":`)
		to.Write(strconv.AppendUint(to.AvailableBuffer(), e.Seq, 10))
		to.WriteByte(',')
	}
	at, err := e.Time.MarshalJSON()
	if err == nil {
		to.WriteString(`"time":`)
		to.Write(at)
		to.WriteString(`,"type":`)
		to.Write(name)
		to.WriteString(`,"data":`)
		err = encodeBody(to, e.Body)
	}
	if err != nil {
		to.Truncate(start)
		return fmt.Errorf("encode event %d (%s): %w", e.Seq, e.Body.Type(), err)
	}
	to.WriteByte('}')
	return nil
}

// encodeBody appends the body as JSON; that of an Unknown as it was.
func encodeBody(to *bytes.Buffer, body Body) error {
	switch b := body.(type) {
	case Unknown:
		return encode(to, b.Data)
	case bodyWriter:
		return b.writeJSON(to)
	default:
		return encode(to, b)
	}
}

// encode appends what json.Marshal would return.
func encode(to *bytes.Buffer, what any) error {
	if err := json.NewEncoder(to).Encode(what); err != nil {
		return err
	}
	to.Truncate(to.Len() - 1) // the end of the line that an Encoder adds
	return nil
}

// UnmarshalJSON reads the public form. A type this build does not know becomes
// Unknown; a known type with malformed data is an error.
func (e *Event) UnmarshalJSON(b []byte) error {
	if e.quickly(b) {
		return nil
	}
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	if w.Type == "" {
		return fmt.Errorf("decode event %d: no type", w.Seq)
	}
	e.Seq, e.Time = w.Seq, w.Time
	decode, ok := types[w.Type]
	if !ok {
		e.Body = Unknown{Name: w.Type, Data: append(json.RawMessage(nil), w.Data...)}
		return nil
	}
	body, err := decode(w.Data)
	if err != nil {
		return fmt.Errorf("decode event %d (%s): %w", w.Seq, w.Type, err)
	}
	e.Body = body
	return nil
}

// quickly reads an event as MarshalJSON writes it, going over its data once
// only. False leaves the event as it was: it has another form, or a fault.
func (e *Event) quickly(b []byte) bool {
	rest, ok := bytes.CutPrefix(b, []byte(`{"seq":`))
	if !ok {
		return false
	}
	number, rest, ok := bytes.Cut(rest, []byte(`,"time":"`))
	if !ok {
		return false
	}
	seq, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return false
	}
	stamp, rest, ok := bytes.Cut(rest, []byte(`","type":"`))
	if !ok {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return false
	}
	name, data, ok := bytes.Cut(rest, []byte(`","data":`))
	decode := types[string(name)]
	if !ok || decode == nil || len(data) < 2 || data[len(data)-1] != '}' {
		return false
	}
	body, err := decode(data[:len(data)-1])
	if err != nil {
		return false
	}
	e.Seq, e.Time, e.Body = seq, at, body
	return true
}

// types maps wire names to decoders; register fills it, in each file for its own.
var types = map[string]func(json.RawMessage) (Body, error){}

func register[T Body]() {
	var zero T
	types[zero.Type()] = func(data json.RawMessage) (Body, error) {
		var body T
		if err := json.Unmarshal(data, &body); err != nil {
			return nil, err
		}
		return body, nil
	}
}
