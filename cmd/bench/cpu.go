package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// cpuOf returns the processor time that a process and all that it has started have
// taken so far. It reads /proc, so it is for Linux.
func cpuOf(pid int) (time.Duration, error) {
	total, err := cpuOfOne(pid)
	for _, child := range childrenOf(pid) {
		if c, err := cpuOfOne(child); err == nil { // one that has ended meanwhile is left out
			total += c
		}
	}
	return total, err
}

// cpuOfOne returns the processor time of one process.
func cpuOfOne(pid int) (total time.Duration, err error) {
	fields, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	for _, i := range []int{11, 12} { // utime, stime
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
		}
		total += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return total, nil
}

// statOf returns the fields of /proc/PID/stat behind the program's name, which may
// hold blanks.
func statOf(pid int) ([]string, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])), nil
}

// childrenOf returns the processes that a process has started, and theirs.
func childrenOf(pid int) (out []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents := map[int][]int{}
	for _, name := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		if fields, err := statOf(child); err == nil {
			if parent, err := strconv.Atoi(fields[1]); err == nil {
				parents[parent] = append(parents[parent], child)
			}
		}
	}
	for queue := parents[pid]; len(queue) > 0; queue = queue[1:] {
		out = append(out, queue[0])
		queue = append(queue, parents[queue[0]]...)
	}
	return out
}
