package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// A Phase is what Fetch is doing.
type Phase string

// The phases, in order.
const (
	PhaseWaiting     Phase = "waiting" // another process is fetching
	PhaseDownloading Phase = "downloading"
	PhaseVerifying   Phase = "verifying"
	PhaseUnpacking   Phase = "unpacking"
	PhaseReady       Phase = "ready"
)

// Progress is a report of Fetch: the bytes that the phase has produced so far.
// Of downloads the total is not known, they are about 170 MB.
type Progress struct {
	Phase Phase
	Bytes int64
}

const progressEvery = 500 * time.Millisecond

// Fetch returns the path of libchdb in cacheDir ("" is DefaultCacheDir), after
// fetching it if it is not there. Any number of processes may do so at once:
// one fetches, the others wait for it. progress may be nil; it is called from
// one goroutine at a time.
func Fetch(ctx context.Context, cacheDir string, progress func(Progress)) (string, error) {
	b, err := thisBuild()
	if err != nil {
		return "", err
	}
	return fetcher{build: b, client: npm{}, progress: progress}.fetch(ctx, cacheDir)
}

// A packager is what Fetch needs of a package registry's client.
type packager interface {
	// Pack downloads a package's tarball into dir and returns its path.
	Pack(ctx context.Context, name, version, dir string) (string, error)
	// Integrity is what the registry says the tarball's is.
	Integrity(ctx context.Context, name, version string) (string, error)
}

type fetcher struct {
	build    build
	client   packager
	progress func(Progress)
}

func (f fetcher) fetch(ctx context.Context, cacheDir string) (string, error) {
	if path, err := Find("", cacheDir); err == nil {
		f.report(PhaseReady, 0)
		return path, nil
	}
	dir, err := libraryDir(cacheDir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("create engine cache: %w", err)
	}
	lock, err := f.lock(ctx, filepath.Join(dir, "fetch.lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()

	// Somebody else may have finished while this process waited.
	if path, err := Find("", cacheDir); err == nil {
		f.report(PhaseReady, 0)
		return path, nil
	}
	path := filepath.Join(dir, libraryName)
	if err := f.install(ctx, dir, path); err != nil {
		return "", fmt.Errorf("fetch %s@%s: %w", f.build.Package, Version, err)
	}
	f.report(PhaseReady, 0)
	return path, nil
}

// install works in a folder beside the target, so that the last step is a
// rename within one file system.
func (f fetcher) install(ctx context.Context, dir, path string) error {
	work, err := os.MkdirTemp(dir, ".fetch-*")
	if err != nil {
		return fmt.Errorf("create temporary folder: %w", err)
	}
	defer os.RemoveAll(work)

	tarball, err := f.download(ctx, work)
	if err != nil {
		return err
	}
	want, err := f.integrity(ctx)
	if err != nil {
		return err
	}
	f.report(PhaseVerifying, 0)
	if err := verify(tarball, want); err != nil {
		return err
	}
	unpacked := filepath.Join(work, libraryName)
	if err := unpack(ctx, tarball, unpacked, func(n int64) { f.report(PhaseUnpacking, n) }); err != nil {
		return err
	}
	if err := os.Rename(unpacked, path); err != nil {
		return fmt.Errorf("install library: %w", err)
	}
	return nil
}

// download reports how the files grow, since the client tells nothing.
func (f fetcher) download(ctx context.Context, work string) (string, error) {
	type outcome struct {
		tarball string
		err     error
	}
	finished := make(chan outcome, 1)
	go func() {
		tarball, err := f.client.Pack(ctx, f.build.Package, Version, work)
		finished <- outcome{tarball, err}
	}()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	f.report(PhaseDownloading, 0)
	for {
		select {
		case result := <-finished:
			return result.tarball, result.err
		case <-ticker.C:
			f.report(PhaseDownloading, largestFile(work))
		}
	}
}

func (f fetcher) integrity(ctx context.Context) (string, error) {
	if f.build.Integrity != "" {
		return f.build.Integrity, nil
	}
	integrity, err := f.client.Integrity(ctx, f.build.Package, Version)
	if err != nil {
		return "", err
	}
	slog.WarnContext(ctx, "no hash of this engine package is pinned: trusting what the registry says",
		"package", f.build.Package, "version", Version, "integrity", integrity)
	return integrity, nil
}

func (f fetcher) lock(ctx context.Context, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open fetch lock: %w", err)
	}
	for {
		err := flock(file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		f.report(PhaseWaiting, 0)
		if !sleep(ctx, progressEvery) {
			return nil, errors.Join(fmt.Errorf("await the process that fetches libchdb: %w", ctx.Err()), file.Close())
		}
	}
}

func (f fetcher) report(phase Phase, bytes int64) {
	if f.progress != nil {
		f.progress(Progress{Phase: phase, Bytes: bytes})
	}
}

// largestFile is the size of the tarball in the making, whatever it is called.
func largestFile(dir string) int64 {
	var largest int64
	_ = filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // Files come and go while npm works.
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			largest = max(largest, info.Size())
		}
		return nil
	})
	return largest
}
