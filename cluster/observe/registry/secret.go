package registry

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// lastApplied holds a copy of all that kubectl applied, values of Secrets
// included.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// redactor takes the values out of Secrets before anything else sees them, and
// leaves their size and a hash: enough to see that two are not the same. The
// hash is keyed with a secret of this run, so that nobody can try likely
// passwords on a recording.
type redactor struct{ key []byte }

func newRedactor() (*redactor, error) {
	r := &redactor{key: make([]byte, 32)}
	if _, err := rand.Read(r.key); err != nil {
		return nil, fmt.Errorf("make a key for hashes of secret values: %w", err)
	}
	return r, nil
}

// redact changes the object in place.
func (r *redactor) redact(o *object) {
	metadata, _ := o.Object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if o.GetKind() != "Secret" || o.GroupVersionKind().Group != "" {
		// The copy is redundant, and of an object with a Secret inside of it
		// (a List, a chart) it would tell its values.
		if text, ok := annotations[lastApplied].(string); ok {
			annotations[lastApplied] = r.hidden([]byte(text))
		}
		return
	}
	for name, v := range annotations {
		if text, ok := v.(string); ok {
			annotations[name] = r.hidden([]byte(text))
		}
	}
	for section, v := range o.Object {
		switch section {
		case "apiVersion", "kind", "metadata", "type", "immutable":
			continue
		}
		values, ok := v.(map[string]any)
		if !ok {
			o.Object[section] = r.hidden(fmt.Append(nil, v))
			continue
		}
		for name, value := range values {
			text, _ := value.(string)
			raw := []byte(text)
			if section == "data" {
				if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
					raw = plain
				}
			}
			values[name] = r.hidden(raw)
		}
	}
}

// hidden stands for a value that is not told.
func (r *redactor) hidden(value []byte) string {
	mac := hmac.New(sha256.New, r.key)
	mac.Write(value)
	return fmt.Sprintf("hidden (%d B, hash %s)", len(value), hex.EncodeToString(mac.Sum(nil)[:4]))
}
