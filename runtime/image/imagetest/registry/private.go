package registry

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/registry/auth"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // Basic
	_ "github.com/distribution/distribution/v3/registry/auth/token"    // Token
	"golang.org/x/crypto/bcrypt"
)

// Basic guards a registry with a user's password, as distribution does it.
func Basic(t testing.TB, registry http.Handler, user, password string) http.Handler {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return guard(t, registry, "htpasswd", map[string]any{"realm": "a test", "path": file})
}

// What tokens say of who made them and for whom.
const (
	issuer  = "a test"
	service = "a registry of a test"
)

// Token guards a registry with tokens that a token server, at /token of the same
// address, gives to who has a user's password.
func Token(t testing.TB, registry http.Handler, user, password string) http.Handler {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public := map[string]any{"keys": []map[string]any{{
		"kty": "RSA", "kid": "key", "alg": "RS256", "use": "sig",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}}
	raw, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	guarded := guard(t, registry, "token", map[string]any{
		"realm": "https://unused.invalid/token", "autoredirect": true, "autoredirectpath": "/token", "issuer": issuer, "service": service, "jwks": file,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			guarded.ServeHTTP(w, r)
			return
		}
		u, p, ok := r.BasicAuth()
		if !ok {
			u, p = r.FormValue("username"), r.FormValue("password")
		}
		if u != user || p != password {
			http.Error(w, `{"details":"incorrect username or password"}`, http.StatusUnauthorized)
			return
		}
		token := sign(t, key, r.FormValue("scope"))
		_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 300})
	})
}

var (
	ofRepository = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/`)
	ofScope      = regexp.MustCompile(`^repository:(.+):`)
)

// sign makes a token that lets pull what a scope names.
func sign(t testing.TB, key *rsa.PrivateKey, scope string) string {
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	access := []map[string]any{}
	if m := ofScope.FindStringSubmatch(scope); m != nil {
		access = append(access, map[string]any{"type": "repository", "name": m[1], "actions": []string{"pull"}})
	}
	now := time.Now().Unix()
	text := part(map[string]any{"typ": "JWT", "alg": "RS256", "kid": "key"}) + "." + part(map[string]any{
		"iss": issuer, "aud": service, "sub": "somebody", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "one", "access": access,
	})
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Error(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// guard lets through to a registry whom one of distribution's access controllers
// does.
func guard(t testing.TB, registry http.Handler, kind string, options map[string]any) http.Handler {
	t.Helper()
	controller, err := auth.GetAccessController(kind, options)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var access []auth.Access
		if m := ofRepository.FindStringSubmatch(r.URL.Path); m != nil {
			access = append(access, auth.Access{Resource: auth.Resource{Type: "repository", Name: m[1]}, Action: "pull"})
		}
		if r.TLS == nil {
			r.Header.Set("X-Forwarded-Proto", "http") // where the token server is said to be
		}
		_, err := controller.Authorized(r, access...)
		if err == nil {
			registry.ServeHTTP(w, r)
			return
		}
		if challenge, ok := err.(auth.Challenge); ok {
			challenge.SetHeaders(r, w)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
	})
}
