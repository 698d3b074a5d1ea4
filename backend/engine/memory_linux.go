package engine

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Where a container's limit is found: cgroup v2, then v1.
var memoryLimitFiles = []string{
	"/sys/fs/cgroup/memory.max",
	"/sys/fs/cgroup/memory/memory.limit_in_bytes",
}

// totalMemory is what this process may use: the machine's memory or, if less,
// the container's limit, since exceeding that ends in the OOM killer.
func totalMemory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	total := int64(info.Totalram) * int64(info.Unit)
	for _, name := range memoryLimitFiles {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// "max" does not parse, which is as well: it means no limit.
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && limit > 0 {
			total = min(total, limit)
		}
	}
	return total
}
