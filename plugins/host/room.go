package host

import (
	"errors"
	"io/fs"
	"os"
)

// rooms is the pattern of the names of rooms.
const rooms = "flowgauge-plugin-"

// A room is the folder of one process of a plugin, for its socket and its temporary files. It is
// locked until Flowgauge leaves it or ends, however it ends: what is not locked is left over.
type room struct {
	dir  string
	lock *os.File
}

// newRoom makes a folder and locks it.
func newRoom() (*room, error) {
	for {
		dir, err := os.MkdirTemp(roomOfRooms(), rooms)
		if err != nil {
			return nil, err
		}
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another Flowgauge has found it before it was locked
		}
		if err != nil {
			return nil, err
		}
		// Where a file system has no locks nothing is ever removed either.
		_, taken := lock(f)
		if _, err := os.Stat(dir); err == nil && !taken {
			return &room{dir: dir, lock: f}, nil
		}
		_ = f.Close()
	}
}

// roomOfRooms is the folder of temporary files, or /tmp when a socket's path, of which systems
// take some hundred bytes, would be too long in it.
func roomOfRooms() string {
	const longest = 55
	if temp := os.TempDir(); len(temp) <= longest {
		return temp
	}
	return "/tmp"
}

func (r *room) leave() {
	_ = os.RemoveAll(r.dir)
	_ = r.lock.Close()
}
