// Package publicdir makes directories for the commands of exec: cameras: when
// root runs a test, they have another user.
package publicdir

import (
	"os"
	"path/filepath"
	"testing"
)

// New returns a new temporary directory that everybody may use.
func New(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
