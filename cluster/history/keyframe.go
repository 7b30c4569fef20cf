package history

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"reflect"
	"time"

	"github.com/klauspost/compress/zstd"

	"workbench/cluster/state"
)

// keyframe is a world at an event, compressed, in memory or in a file.
type keyframe struct {
	seq   uint64
	now   time.Time // World.Now
	bytes int64     // compressed
	data  []byte    // nil when in a file
}

// packer compresses and expands worlds with little memory of its own. It is not
// for concurrent use.
type packer struct {
	enc   *zstd.Encoder
	codec *codec
}

func newPacker() (*packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("make keyframes: %w", err)
	}
	return &packer{enc: enc, codec: newCodec()}, nil
}

func (p *packer) pack(w *state.World) []byte {
	raw := p.codec.encode(w)
	return p.enc.EncodeAll(raw, make([]byte, 0, len(raw)/4))
}

// maxWorld bounds what a keyframe expands to, in bytes: far more than any world.
const maxWorld = 256 << 20

// unpack gives the world of a keyframe, in the codec's form.
func unpack(data []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWorld))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(data, nil)
}

// decode gives the world of its form: the codec's, or JSON.
func decode(raw []byte) (*state.World, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return newCodec().decode(raw)
	}
	w := state.New()
	if err := json.Unmarshal(raw, w); err != nil {
		return nil, fmt.Errorf("read a keyframe: %w", err)
	}
	return w, nil
}

// Shape names the form of worlds of this build: who has the same one reads the
// keyframes of its windows.
func Shape() string { return shape() }

// shape tells worlds of this build from those of another one whose worlds have
// other parts: keyframes of those are made anew.
func shape() string {
	sum := crc32.NewIEEE()
	fmt.Fprintln(sum, "codec", binaryForm)
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		fmt.Fprintln(sum, t.String(), t.Kind())
		if seen[t] || t == reflect.TypeFor[time.Time]() {
			return
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Map:
			walk(t.Key())
			walk(t.Elem())
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				fmt.Fprintln(sum, t.Field(i).Name, t.Field(i).Tag)
				walk(t.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[state.World]())
	return fmt.Sprintf("%08x", sum.Sum32())
}
