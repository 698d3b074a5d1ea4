package disk

import (
	"errors"
	"io"
	"syscall"
)

// Patient reads files on a disk that has bad sectors: what cannot be read is read as
// bytes that nobody wrote, so that the rest can be used.
type Patient struct{ FS }

const (
	patientBlock  = 4096
	patientFiller = 0xee // not zero, which is what was never written
)

// OpenFile implements FS.
func (p Patient) OpenFile(path string, flag int) (File, error) {
	f, err := p.FS.OpenFile(path, flag)
	if err != nil {
		return nil, err
	}
	return patientFile{f}, nil
}

type patientFile struct{ File }

// ReadAt implements io.ReaderAt. When a range cannot be read it is read block by block.
func (f patientFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(b, at)
	if !errors.Is(err, syscall.EIO) {
		return n, err
	}
	for n = 0; n < len(b); {
		end := min(len(b), n+patientBlock-int((at+int64(n))%patientBlock))
		read, err := f.File.ReadAt(b[n:end], at+int64(n))
		switch {
		case errors.Is(err, syscall.EIO):
			for i := n; i < end; i++ {
				b[i] = patientFiller
			}
		case errors.Is(err, io.EOF):
			return n + read, err
		case err != nil:
			return n, err
		}
		n = end
	}
	return n, nil
}
