package faults_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The disk of the log fills up while ClickHouse is away; senders are told to come
// again. The collector is killed with the disk full. When ClickHouse is back, the log
// is emptied, which makes room, and what was refused comes again.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		t.Skipf("a small disk cannot be mounted: %v: run it as root", err)
	} else {
		require.NoError(t, err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	p := newPlatform(t)
	key := p.key()
	proxy := p.through()
	collector := p.startIn(dir, "collector")
	collector.ready()
	l := startLoad(t, func() []string { return []string{collector.url} }, key, 4, 0)
	full := func() {
		for seen := l.retries.Load(); l.retries.Load() < seen+20; {
			time.Sleep(20 * time.Millisecond)
		}
	}
	for range 2 {
		proxy.Stop()
		full()
		var disk syscall.Statfs_t
		require.NoError(t, syscall.Statfs(dir, &disk))
		require.Less(t, disk.Bavail*uint64(disk.Bsize), uint64(512<<10), "senders were refused because the disk is full")
		collector.kill()
		collector.run()
		full()
		require.NoError(t, proxy.Start())
		collector.ready()
		for acks := l.acks.Load(); l.acks.Load() < acks+50; {
			time.Sleep(20 * time.Millisecond)
		}
	}
	l.stop()
	p.check(l, collector.empty)
}
