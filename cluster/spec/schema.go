package spec

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the file, for editors. It knows
// types, names and simple bounds; Load and Validate know more.
func Schema() []byte { return slices.Clone(schema) }
