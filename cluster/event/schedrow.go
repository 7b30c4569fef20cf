package event

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// bodyWriter is a body that writes its JSON itself, as json.Marshal would but
// for the order of its keys, for being written in bursts.
type bodyWriter interface {
	writeJSON(to *bytes.Buffer) error
}

// writeJSON implements bodyWriter: rows are nine tenths of a cycle's numbers,
// and the cycle is written while the scheduler is busy. They come last.
func (c SchedCycle) writeJSON(to *bytes.Buffer) error {
	rows := c.Rows
	c.Rows = nil
	if err := encode(to, c); err != nil || len(rows) == 0 {
		return err
	}
	to.Truncate(to.Len() - 1) // the closing brace
	to.WriteString(`,"rows":[`)
	for i := range rows {
		if i > 0 {
			to.WriteByte(',')
		}
		b, err := rows[i].appendJSON(to.AvailableBuffer())
		if err != nil {
			return err
		}
		to.Write(b)
	}
	to.WriteString("]}")
	return nil
}

// appendJSON appends the row as json.Marshal would.
func (r *SchedRow) appendJSON(b []byte) ([]byte, error) {
	b = strconv.AppendInt(append(b, `{"n":`...), int64(r.Node), 10)
	if r.Failed != 0 {
		b = strconv.AppendInt(append(b, `,"f":`...), int64(r.Failed), 10)
	}
	if r.Code != "" {
		code, err := json.Marshal(r.Code)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"c":`...), code...)
	}
	b = appendList(b, `,"r":[`, r.Reason)
	b = appendList(b, `,"raw":[`, r.Raw)
	b = appendList(b, `,"s":[`, r.Score)
	if r.Total != 0 {
		b = strconv.AppendInt(append(b, `,"t":`...), r.Total, 10)
	}
	return append(b, '}'), nil
}

// appendList appends a list of numbers after its key; nothing for none.
func appendList[N int | int64](b []byte, key string, list []N) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, key...)
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, ']')
}
