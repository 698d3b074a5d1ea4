package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/flowgauge/flowgauge/collector/client"
	"github.com/flowgauge/flowgauge/collector/client/progress"
)

// saveEvery is how much work an unclean end (kill -9) can cost.
const saveEvery = time.Second

// job is the import of one file.
type job struct {
	config  Config
	name    string
	source  *source
	meter   *progress.Meter
	rejects *rejectLog
	at      state  // what is committed
	path    string // of the saved position; "" for none
	saved   time.Time
}

// flight is a batch under way.
type flight struct {
	batch   *batch
	receipt client.Receipt
	err     error
	done    chan struct{}
}

func importFile(ctx context.Context, c Config, name string) (sum FileSummary, err error) {
	sum.Name = name
	src, err := openSource(name, c.Input)
	if err != nil {
		return sum, err
	}
	j := &job{config: c, name: name, source: src, at: state{File: src.mark, Target: c.Target}}
	j.rejects = &rejectLog{path: rejectedPath(c, name), fallback: c.Rejected == "", name: name}
	if err := j.resume(); err != nil {
		src.close()
		return sum, err
	}
	sum.Resumed = j.at.Line
	j.meter = progress.New(c.Progress, "import "+filepath.Base(name), src.read.Load(), src.size)
	err = j.run(ctx)
	j.meter.Close()
	err = errors.Join(err, j.rejects.close())
	sum.Counts, sum.Lines, sum.Done = j.at.Counts, j.at.Line, err == nil
	if sum.Rejected > 0 {
		sum.RejectedFile = j.rejects.path
	}
	return sum, j.finish(ctx, err)
}

// resume goes to the saved position, if there is one to use.
func (j *job) resume() error {
	if j.config.StateDir == "" || j.source.file == nil {
		return nil
	}
	j.path = statePath(j.config.StateDir, j.source.mark)
	if j.config.Restart {
		return nil
	}
	s, ok, why := loadState(j.path, j.source.mark, j.config.Target)
	if !ok {
		if why != "" {
			fmt.Fprintf(j.config.Progress, "%s is imported from its start: %s\n", j.name, why)
		}
		return nil
	}
	fmt.Fprintf(j.config.Progress, "%s: going on behind line %s, up to which everything is acknowledged\n", j.name, progress.Count(s.Line))
	if err := j.source.skip(s.Offset); err != nil {
		return err
	}
	j.at = s
	if s.RejectedPath != "" {
		j.rejects.path, j.rejects.size, j.rejects.keep = s.RejectedPath, s.RejectedSize, true
	}
	return nil
}

// run reads and sends until the file's end, a failure or the end of ctx. Requests
// have a context of their own, which outlives ctx by Grace.
func (j *job) run(ctx context.Context) error {
	sendCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(j.config.Grace, func() { cancel(context.Cause(ctx)) })
	})()
	readCtx, stop := context.WithCancel(ctx)
	defer stop()
	// The queue's length is what bounds the requests in flight: its first is the
	// one that is waited for.
	queue := make(chan *flight, j.config.InFlight-1)
	read := make(chan error, 1)
	c := newCutter(j.source.text, j.config.BatchLines, j.config.BatchBytes, j.at.Offset, j.at.Line)
	go func() {
		err := j.read(readCtx, sendCtx, c, queue)
		j.source.close()
		read <- err
		close(queue)
	}()
	for {
		f := next(readCtx, queue)
		if f == nil {
			break
		}
		<-f.done
		if err := j.commit(f); err != nil {
			return err // what follows a failed batch is not committed
		}
	}
	select {
	case err := <-read:
		return err
	default:
	}
	select {
	case err := <-read:
		return err
	case <-readCtx.Done():
		// The reader may hang in a pipe that nobody writes to; it ends with it.
		return context.Cause(ctx)
	}
}

// next returns the next batch under way, or nil when there will be none. It does
// not wait for one to be read once ctx has ended.
func next(ctx context.Context, queue <-chan *flight) *flight {
	select {
	case f := <-queue:
		return f
	case <-ctx.Done():
	}
	select {
	case f := <-queue:
		return f
	default:
		return nil
	}
}

// read cuts the file and sets its batches going.
func (j *job) read(ctx, sendCtx context.Context, c *cutter, queue chan<- *flight) error {
	for first := c.line == 0; ctx.Err() == nil; first = false {
		b, err := c.next()
		b.read = j.source.read.Load()
		if first && len(b.lines) > 0 {
			if err := looksLikeEvents(b); err != nil {
				return err
			}
		}
		f := &flight{batch: b, done: make(chan struct{})}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case queue <- f:
		}
		go func() {
			defer close(f.done)
			f.receipt, f.err = send(sendCtx, j.config.Client, b, 0, len(b.lines))
		}()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// commit accounts for the next batch of the file.
func (j *job) commit(f *flight) error {
	if f.err != nil {
		return f.err
	}
	for _, r := range rejections(f.batch, f.receipt.Errors) {
		if err := j.rejects.write(r); err != nil {
			return err
		}
		j.at.Rejected++
	}
	j.at.Accepted += int64(f.receipt.Accepted)
	j.at.Duplicates += int64(f.receipt.Duplicates)
	j.at.Offset, j.at.Line = f.batch.offset, f.batch.line
	j.meter.Set(f.batch.read, int64(len(f.batch.lines)))
	if time.Since(j.saved) < saveEvery {
		return nil
	}
	return j.save()
}

func (j *job) save() error {
	if j.path == "" {
		return nil
	}
	// The position must not claim rejected lines that are not in their file.
	if err := j.rejects.flush(); err != nil {
		return err
	}
	if j.at.Rejected > 0 {
		path, err := filepath.Abs(j.rejects.path)
		if err != nil {
			return fmt.Errorf("find absolute path: %w", err)
		}
		j.at.RejectedPath, j.at.RejectedSize = path, j.rejects.size
	}
	j.saved = time.Now()
	return j.at.save(j.path)
}

// finish keeps the position of an import that did not end, and forgets that of one
// that did.
func (j *job) finish(ctx context.Context, err error) error {
	if err == nil {
		if j.path != "" {
			_ = os.Remove(j.path)
		}
		return nil
	}
	saveErr := j.save()
	if ctx.Err() != nil {
		return errors.Join(&InterruptedError{Line: j.at.Line, Saved: j.path != "" && saveErr == nil, cause: err}, saveErr)
	}
	return errors.Join(fmt.Errorf("behind line %d: %w", j.at.Line, err), saveErr)
}

// looksLikeEvents refuses a file of another format before all of its lines are
// rejected one by one.
func looksLikeEvents(b *batch) error {
	switch first := bytes.TrimSpace(b.text(0)); {
	case first[0] == '[' && (len(first) == 1 || bytes.IndexByte(first, '{') >= 0):
		return errors.New("a JSON array, not NDJSON: run `jq -c '.[]' FILE | flowgauge import -`")
	case first[0] == '{' && len(first) == 1:
		return errors.New("JSON over several lines, not NDJSON: run `jq -c . FILE | flowgauge import -`")
	case bytes.IndexByte(first, 0) >= 0:
		return errors.New("not text: neither NDJSON nor gzip nor zstd")
	}
	return nil
}
