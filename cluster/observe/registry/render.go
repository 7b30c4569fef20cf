package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of one change.
const (
	maxValue  = 200 // bytes of a value
	maxFields = 64
	maxBytes  = 8 << 10 // of all paths and values
)

// render writes a value: text as it is where that cannot be taken for
// something else, all else as JSON. A long one is cut and tells its size and
// hash, so that two long values can still be told apart.
func render(v any) string {
	text, plain := v.(string)
	if !plain {
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprintf("(%T)", v)
		}
		text = string(raw)
	} else if ambiguous(text) {
		text = strconv.Quote(text)
	}
	if len(text) <= maxValue {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	cut := maxValue - 40
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d B, sha256 %s)", text[:cut], len(text), hex.EncodeToString(sum[:4]))
}

// ambiguous says whether a text would read as a value of another kind.
func ambiguous(text string) bool {
	if text == "" || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\t\r\x1b") {
		return true
	}
	switch text[0] {
	case '"', '{', '[', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return json.Valid([]byte(text))
	}
	return text == "true" || text == "false" || text == "null"
}

// step is a path and one more name.
func step(path, name string) string {
	for i := range len(name) {
		c := name[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return path + "[" + name + "]"
		}
	}
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}
