package servertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the list of jars
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

//go:embed jars.txt
var jarList string

const (
	fetchTimeout = 10 * time.Minute
	copyGoal     = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
)

// A jar is one line of jars.txt.
type jar struct{ group, artifact, version, hash string }

func (j jar) file() string { return j.artifact + "-" + j.version + ".jar" }

func jarsOf(set string) ([]jar, error) {
	var jars []jar
	for line := range strings.Lines(jarList) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != set {
			continue
		}
		if len(fields) != 3 || strings.Count(fields[1], ":") != 2 {
			return nil, fmt.Errorf("jars.txt: %q is not 'set group:artifact:version hash'", line)
		}
		name := strings.Split(fields[1], ":")
		jars = append(jars, jar{name[0], name[1], name[2], fields[2]})
	}
	if len(jars) == 0 {
		return nil, fmt.Errorf("jars.txt has no set %q", set)
	}
	return jars, nil
}

// classPath returns the class path of a set, after fetching what is missing.
func classPath(t testing.TB, set string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find cache directory: %v", err)
	}
	path, err := fetchJars(t, filepath.Join(cache, "flowgauge", "java"), set)
	if err != nil {
		t.Fatalf("fetch the jars of %s: %v", set, err)
	}
	return path
}

// fetchJars may run in any number of processes at once: one fetches, the
// others wait for it. A jar that is there was checked before it got its name.
func fetchJars(t testing.TB, dir, set string) (string, error) {
	t.Helper()
	jars, err := jarsOf(set)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("create cache: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "fetch.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("open lock: %w", err)
	}
	defer lock.Close() // Gives it back.
	if err := flock(lock); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	var paths []string
	var missing []jar
	for _, j := range jars {
		path := filepath.Join(dir, j.file())
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, j)
		}
		paths = append(paths, path)
	}
	if len(missing) > 0 {
		needs(t, "fetching jars", "mvn")
		if err := install(missing, dir); err != nil {
			return "", err
		}
	}
	return strings.Join(paths, string(os.PathListSeparator)), nil
}

func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// install works in a folder beside the target, so that the last step is a
// rename within one file system.
func install(jars []jar, dir string) error {
	work, err := os.MkdirTemp(dir, ".fetch-*")
	if err != nil {
		return fmt.Errorf("create temporary folder: %w", err)
	}
	defer os.RemoveAll(work)
	if err := download(jars, work); err != nil {
		return err
	}
	for _, j := range jars {
		path := filepath.Join(work, j.file())
		if err := verify(path, j.hash); err != nil {
			return err
		}
		if err := os.Rename(path, filepath.Join(dir, j.file())); err != nil {
			return fmt.Errorf("install jar: %w", err)
		}
	}
	return nil
}

// download lets Maven do it: which repository that is, a mirror or a proxy, is
// its configuration's business and none of ours. Its repository is a folder in
// work, because Maven's own may not be written by several processes at once.
func download(jars []jar, work string) error {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	project := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(project, pom(jars), 0o600); err != nil {
		return fmt.Errorf("write project: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "--file", project, copyGoal,
		"-DoutputDirectory="+work, "-Dmaven.repo.local="+filepath.Join(work, "repository"))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run mvn: %w: %s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// pom names the jars and refuses what they depend on: the list has it all.
func pom(jars []jar) []byte {
	var text bytes.Buffer
	text.WriteString("<project><modelVersion>4.0.0</modelVersion>" +
		"<groupId>flowgauge</groupId><artifactId>servertest</artifactId><version>1</version><dependencies>\n")
	for _, j := range jars {
		fmt.Fprintf(&text, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>"+
			"<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>\n",
			j.group, j.artifact, j.version)
	}
	text.WriteString("</dependencies></project>\n")
	return text.Bytes()
}

func verify(path, want string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open jar: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("read jar: %w", err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != want {
		return fmt.Errorf("%s: its hash is %s, not %s as jars.txt has it", filepath.Base(path), got, want)
	}
	return nil
}
