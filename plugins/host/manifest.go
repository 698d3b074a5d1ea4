package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/flowgauge/flowgauge/plugins/contract"
)

// ManifestFile is the name of a plugin's manifest in its folder.
const ManifestFile = "plugin.json"

// Manifest says what a plugin is, how it is started and what it may do.
type Manifest struct {
	ID          string `json:"id"`
	Version     string `json:"version"` // semantic, without a v
	Description string `json:"description,omitempty"`

	// Contract is the version of the contract that it was made for.
	Contract int `json:"contract"`
	// Extends names the services that it serves.
	Extends []contract.Extension `json:"extends"`
	// Command starts it in its folder. {os} and {arch} stand for Go's names of the platform.
	Command []string `json:"command"`

	Permissions Permissions `json:"permissions"`

	// Files are all files of the folder but this one, with their SHA-256.
	Files map[string]string `json:"files"`
}

// Permissions are what a plugin is given and may do. What is not named is not.
type Permissions struct {
	Kinds []string `json:"kinds,omitempty"` // of events that it sees
	Read  []string `json:"read,omitempty"`  // fields that it sees besides the identity
	Write []string `json:"write,omitempty"` // fields that it may change
	Add   []string `json:"add,omitempty"`   // kinds of events that it may add
	Drop  bool     `json:"drop,omitempty"`  // may keep events from being stored
	// Headers are those of requests that a source sees, in lower case.
	Headers []string `json:"headers,omitempty"`
	// Env names variables of Flowgauge's environment that it gets.
	Env []string `json:"env,omitempty"`
}

// passed are the extensions that accepted events pass.
var passed = []contract.Extension{contract.ExtensionEnricher, contract.ExtensionPricer}

func (m *Manifest) extendsAny(some []contract.Extension) bool {
	return slices.ContainsFunc(m.Extends, func(e contract.Extension) bool { return slices.Contains(some, e) })
}

// Passed reports whether events pass the plugin on their way into the database.
func (m *Manifest) Passed() bool { return m.extendsAny(passed) }

// checkPolicy wants a policy of a plugin that events pass, and of no other.
func (m *Manifest) checkPolicy(policy Policy) error {
	switch known := []Policy{Skip, Hold, DeadLetter}; {
	case !m.Passed() && policy != "":
		return fmt.Errorf("on_failure is %q: events do not pass this plugin, leave it out", policy)
	case m.Passed() && !slices.Contains(known, policy):
		return fmt.Errorf("on_failure is %q: say what becomes of events while the plugin does not answer: %s", policy, quoted(known))
	}
	return nil
}

var idPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)

// largestManifest has room for the checksums of some hundred thousand files.
const largestManifest = 16 << 20

// ReadManifest reads and checks the manifest of a plugin's folder.
func ReadManifest(dir string) (*Manifest, error) {
	m, _, err := readManifest(dir)
	return m, err
}

// readManifest returns its SHA-256 too.
func readManifest(dir string) (*Manifest, string, error) {
	path := filepath.Join(dir, ManifestFile)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, "", fmt.Errorf("a plugin's folder has a %s: %w", ManifestFile, err)
	}
	// What a link leads to changes without a trace in the folder.
	if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%s is no file of its own but %s: put the file there", path, info.Mode().Type())
	}
	if info.Size() > largestManifest {
		return nil, "", fmt.Errorf("%s has %d bytes, %d are allowed", path, info.Size(), largestManifest)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	m := new(Manifest)
	if err := decoder.Decode(m); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	if decoder.More() {
		return nil, "", fmt.Errorf("%s: there is something behind the object", path)
	}
	if err := m.check(); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	sum := sha256.Sum256(text)
	return m, hex.EncodeToString(sum[:]), nil
}

func (m *Manifest) check() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !idPattern.MatchString(m.ID) || len(m.ID) > 64 {
		fault("id %q: want lower-case words joined by hyphens, the first of which says whose it is, such as acme-teams, 64 characters at most", m.ID)
	}
	if v := "v" + m.Version; semver.Canonical(v) != v {
		fault("version %q: want a semantic version of three numbers such as 1.2.0, or 1.2.0-rc.1 before it", m.Version)
	}
	if m.Contract != contract.Version {
		fault("contract %d: this Flowgauge speaks %d; build the plugin for it", m.Contract, contract.Version)
	}
	if len(m.Extends) == 0 {
		fault("extends: want at least one of %s", quoted(contract.Extensions))
	}
	for _, e := range m.Extends {
		if !slices.Contains(contract.Extensions, e) {
			fault("extends: %q is none of %s", e, quoted(contract.Extensions))
		}
	}
	if len(m.Command) == 0 || m.Command[0] == "" {
		fault(`command: want the program and its arguments, such as ["./teams_{os}_{arch}"]`)
	}
	for name, sum := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(name)) || name == ManifestFile {
			fault("files: %q is no path in the plugin's folder", name)
		}
		if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
			fault("files: the checksum of %q is no SHA-256 in hexadecimal digits", name)
		}
	}
	if slices.Contains(m.Extends, contract.ExtensionEnricher) && len(m.Permissions.Kinds) == 0 {
		fault("permissions.kinds: an enricher is asked about events: name their kinds, some of %s", quoted(contract.Kinds))
	}
	if slices.Contains(m.Permissions.Write, "dependsOn") {
		fault("permissions.write: dependsOn cannot be changed")
	}
	if slices.Contains(m.Extends, contract.ExtensionSource) && len(m.Permissions.Add) == 0 {
		fault("permissions.add: a source makes events: name their kinds, some of %s", quoted(contract.Kinds))
	}
	return errors.Join(append(errs, m.Permissions.check(), checkHeaders(m.Permissions.Headers))...)
}

func (p *Permissions) check() error {
	var errs []error
	for _, list := range []struct {
		name       string
		got, known []string
	}{
		{"kinds", p.Kinds, contract.Kinds},
		{"add", p.Add, contract.Kinds},
		{"read", p.Read, contract.Fields},
		{"write", p.Write, contract.Fields},
	} {
		for _, name := range list.got {
			if !slices.Contains(list.known, name) {
				errs = append(errs, fmt.Errorf("permissions.%s: %q is none of %s", list.name, name, quoted(list.known)))
			}
		}
	}
	return errors.Join(errs...)
}

// Verify compares the files of a folder with the manifest: each must be there with its
// checksum, and no other.
func (m *Manifest) Verify(dir string) error {
	sums, err := Checksums(dir)
	if err != nil {
		return err
	}
	var errs []error
	for name, want := range m.Files {
		switch got, there := sums[name]; {
		case !there:
			errs = append(errs, fmt.Errorf("the file %s is missing", name))
		case got != want:
			errs = append(errs, fmt.Errorf("the file %s is not that of the manifest: its SHA-256 is %s, want %s", name, got, want))
		}
	}
	for name := range sums {
		if _, known := m.Files[name]; !known {
			errs = append(errs, fmt.Errorf("the file %s is not in the manifest", name))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("plugin %s %s: %w", m.ID, m.Version, errors.Join(errs...))
	}
	return nil
}

// Checksums are the SHA-256 of a folder's files, but the manifest's, by their paths.
func Checksums(dir string) (map[string]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	sums := map[string]string{}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == ManifestFile {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is no file", name)
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return err
		}
		sums[name] = hex.EncodeToString(sum.Sum(nil))
		return nil
	})
	return sums, err
}

// command is the command on this platform.
func (m *Manifest) command() []string {
	platform := strings.NewReplacer("{os}", runtime.GOOS, "{arch}", runtime.GOARCH)
	command := make([]string, len(m.Command))
	for i, part := range m.Command {
		command[i] = platform.Replace(part)
	}
	return command
}

func quoted[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = `"` + string(name) + `"`
	}
	return strings.Join(texts, ", ")
}
