// Package servertest gives tests real servers besides ClickHouse, which
// package enginetest gives them: Apache Kafka, Apache ZooKeeper and Redis; and Python
// with packages, for clients and tools that are written in it.
//
//	broker := servertest.Kafka(t)             // shared by the test process
//	topic := broker.Topic(t, 3, nil)
//	own := servertest.NewKafka(t)             // to be stopped, killed, restarted
//
// Java servers are jars from Maven Central, listed with their hashes in
// jars.txt and fetched once per machine by mvn. redis-server is the system's.
// A test whose server cannot run here is skipped, and fails where the variable
// CI is true, so that nothing is left out unseen.
package servertest

import (
	"os"
	"os/exec"
	"testing"
)

// Absent ends a test that cannot run here; CI must be able to.
func Absent(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// needs ends the test if a program is missing.
func needs(t testing.TB, what string, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		Absent(t, "%s needs the program %s, which is not on the PATH: install it (Debian: apt-get install %s)", what, program, packages[program])
	}
}

// packages are the names of Debian's packages.
var packages = map[string]string{
	"java":         "default-jre-headless",
	"mvn":          "maven",
	"redis-server": "redis-server",
}
