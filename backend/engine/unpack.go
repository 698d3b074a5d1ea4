package engine

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// ErrIntegrity is returned when what came is not what was pinned.
var ErrIntegrity = errors.New("tarball is not the expected one")

const (
	integrityScheme = "sha512-"

	// The library has 566 MB. The bound keeps a malicious package, on a
	// platform whose hash is not pinned, from filling the disk.
	maxLibrary = 2 * gibibyte
)

// verify compares a file with an integrity such as "sha512-…".
func verify(tarball, want string) error {
	if !strings.HasPrefix(want, integrityScheme) {
		return fmt.Errorf("%w: integrity %q is not %s…", ErrIntegrity, want, integrityScheme)
	}
	file, err := os.Open(tarball)
	if err != nil {
		return fmt.Errorf("open tarball: %w", err)
	}
	defer file.Close()
	hash := sha512.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("read tarball: %w", err)
	}
	got := integrityScheme + base64.StdEncoding.EncodeToString(hash.Sum(nil))
	if got != want {
		return fmt.Errorf("%w: its hash is %s, not %s: clear npm's cache and proxies and try again", ErrIntegrity, got, want)
	}
	return nil
}

// unpack writes the library that is in the tarball to target, durably.
func unpack(ctx context.Context, tarball, target string, progress func(int64)) error {
	file, err := os.Open(tarball)
	if err != nil {
		return fmt.Errorf("open tarball: %w", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("read tarball: %w", err)
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("unpack tarball: there is no libchdb in it")
		}
		if err != nil {
			return fmt.Errorf("unpack tarball: %w", err)
		}
		if header.Typeflag != tar.TypeReg || !libraryNames[path.Base(header.Name)] {
			continue
		}
		return writeLibrary(ctx, target, archive, progress)
	}
}

func writeLibrary(ctx context.Context, target string, content io.Reader, progress func(int64)) (err error) {
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700) //nolint:gosec // A library is executable.
	if err != nil {
		return fmt.Errorf("create library: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var written int64
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("unpack library: %w", ctx.Err())
		}
		n, err := io.CopyN(file, content, 16*mebibyte)
		written += n
		progress(written)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("unpack library: %w", err)
		}
		if written > maxLibrary {
			return fmt.Errorf("unpack library: it has more than %d bytes", int64(maxLibrary))
		}
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync library: %w", err)
	}
	return nil
}
